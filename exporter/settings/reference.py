"""The reference of the settings, made from the models: for `--help`, and for docs/settings.md.

`python -m exporter.settings.reference` prints the latter.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from exporter.catalog import CATALOG
from exporter.settings.model import COMMANDS, PREFIX
from exporter.settings.options import Option, Shape, options
from exporter.settings.organizations import OrganizationSection
from exporter.settings.resources import FILTERS

_ANY: Final = "<name>"
_WIDTH: Final = 100

_CREDENTIALS: Final = (
    ("OPENAI_ADMIN_KEY", "Admin key of the organization"),
    ("OPENAI_ADMIN_KEY_FILE", "File with the admin key, in place of it; read again when it changes"),
    ("OPENAI_API_KEY", "Ordinary key, for the legacy billing endpoints where there is no admin key"),
    ("OPENAI_PROJECT_ID", "Only this project"),
    ("OPENAI_ORG_ID", "For the header OpenAI-Organization; not sent by default"),
)

_INTRODUCTION: Final = f"""\
# Settings

Made from the code by `make docs`; do not edit.

A setting is looked up in this order, and the first that has it wins:

1. flags after the command: `openai-usage-exporter run --web.listen-address :9100`
2. environment variables: `{PREFIX}WEB__LISTEN_ADDRESS=:9100` (an empty one counts as not set)
3. the YAML file that `--config.file` or `{PREFIX}CONFIG__FILE` names:

   ```yaml
   web:
     listen_address: ":9100"
   ```

The flag is the setting's path in kebab-case, the variable the path in capitals with `__` between the parts.
Lists are repeated flags, JSON in the environment (`'["model","batch"]'`) and lists in YAML; mappings are repeated flags
`key=value`, JSON and mappings. A flag for true or false may stand alone for true.
Durations are seconds, or numbers with units: `90s`, `5m`, `6h`, `31d`, `1h30m`. Sizes are bytes, or `512KiB`, `32MiB`.
Relative paths start at the working directory, `~` is the home directory.
A setting that does not exist is refused wherever it stands; every problem is told on a line of its own, and the exit
status is 2. One file serves all commands.
"""


def help_text(command: str) -> str:
    """Return the flags of a command, for a terminal. Raises KeyError."""
    known = tuple(_folded(options(COMMANDS[command])))
    own = [leaf for leaf in known if leaf.source == "flag"]
    parts = [_help_section("Flags of this command", own)] if own else []
    parts.append(_help_section("Settings", [leaf for leaf in known if leaf.source is None]))
    names = "\n".join(f"  {line}" for line in textwrap.wrap(", ".join(row.name for row in CATALOG), _WIDTH))
    parts.append(f"Resources that {_ANY} stands for:\n{names.replace('_', '-')}\n")
    keys = "".join(f"  {name:<22} {what}\n" for name, what in _CREDENTIALS)
    parts.append(f"Keys come from the environment alone:\n{keys}")
    return "\n".join(parts)


def markdown() -> str:
    """Return docs/settings.md."""
    shared = tuple(options(COMMANDS["run"]))
    general = [leaf for leaf in shared if leaf.source is None and leaf.path[0] != "resources"]
    resources = [leaf for leaf in _folded(shared) if leaf.path[:2] == ("resources", _ANY)]
    parts = [
        _INTRODUCTION,
        "## Keys\n",
        "From the environment only, never from flags, never in the file.\n",
        _table(("variable", "meaning"), ((f"`{name}`", what) for name, what in _CREDENTIALS)),
        "## All commands\n",
        _settings_table(general),
        _LOOPBACK.format(*(_default(command, "web.listen_address") for command in ("demo", "simulate"))),
        "## Resources\n",
        f"`{_ANY}` is one of {', '.join(f'`{row.name}`' for row in CATALOG)}.\n",
        _settings_table(resources),
        "What each resource knows; what it does not know is refused:\n",
        _table(
            ("resource", "`group_by` (default in bold)", "filters", "`bucket_width`", "detail measures"),
            (
                (
                    f"`{row.name}`",
                    " ".join(f"**{name}**" if name in row.group_by else name for name in row.dimensions),
                    " ".join(name for name in FILTERS if name in row.filters),
                    " ".join(row.widths),
                    " ".join(measure.name for measure in row.measures if measure.detail),
                )
                for row in CATALOG
            ),
        ),
        "## Organizations\n",
        _ORGANIZATIONS,
        _table(
            ("member", "meaning"),
            ((f"`{leaf.dotted}`", leaf.description) for leaf in _of_organization()),
        ),
        _ORGANIZATIONS_EXAMPLE,
    ]
    for command, model in COMMANDS.items():
        if own := [leaf for leaf in options(model) if leaf.source == "flag"]:
            parts += [
                f"## Flags of `{command}`\n",
                _table(
                    ("flag", "default", "meaning"),
                    ((f"`{leaf.flag}`", _default_cell(leaf), leaf.description) for leaf in own),
                ),
            ]
    return "\n".join(parts)


_LOOPBACK: Final = "`demo` and `simulate` listen on loopback by default: `{}` and `{}`.\n"

_ORGANIZATIONS: Final = """\
In the YAML file only: a list under `organizations`. With it, `OPENAI_ADMIN_KEY`, `OPENAI_ADMIN_KEY_FILE`,
`OPENAI_PROJECT_ID` and `OPENAI_ORG_ID` are refused, and `OPENAI_API_KEY` is not used.
"""

_ORGANIZATIONS_EXAMPLE: Final = """\
```yaml
organizations:
  - name: research
    admin_key_file: /run/secrets/research
    budgets:
      monthly_usd: 5000
      projects: {proj_abc: 1200}
  - name: products
    admin_key_env: PRODUCTS_ADMIN_KEY
    project_ids: [proj_def]
    resources:
      completions: {group_by: [project_id, model, api_key_id]}
```
"""


def _folded(known: Iterable[Option]) -> Iterator[Option]:
    """Yield the settings, one in place of those of all resources."""
    for leaf in known:
        if leaf.path[0] != "resources":
            yield leaf
        elif leaf.path[1] == CATALOG[0].name:
            yield replace(leaf, path=("resources", _ANY, *leaf.path[2:]))


def _of_organization() -> Iterator[Option]:
    yield from (leaf for leaf in options(OrganizationSection) if leaf.path[0] != "resources")
    what = "What differs, member by member as in the section Resources"
    yield Option(path=("resources",), shape=Shape.MAP, default="", required=False, description=what, source=None)


def _help_section(title: str, known: Iterable[Option]) -> str:
    return f"{title}:\n" + "".join(_help_entry(leaf) for leaf in known)


def _help_entry(leaf: Option) -> str:
    words = {Shape.ONE: " VALUE", Shape.BOOL: "[=true|false]", Shape.LIST: " VALUE ...", Shape.MAP: " KEY=VALUE ..."}
    default = f" (default: {leaf.default})" if leaf.default else ""
    text = textwrap.fill(leaf.description + default, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return f"  {leaf.flag}{words[leaf.shape]}\n{text}\n"


def _settings_table(known: Iterable[Option]) -> str:
    return _table(
        ("setting", "flag", "environment", "default", "meaning"),
        (
            (f"`{leaf.dotted}`", f"`{leaf.flag}`", f"`{leaf.variable}`", _default_cell(leaf), leaf.description)
            for leaf in known
        ),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _default_cell(leaf: Option) -> str:
    if leaf.required:
        return "required"
    return f"`{leaf.default}`" if leaf.default else ""


def _default(command: str, dotted: str) -> str:
    return next(leaf.default for leaf in options(COMMANDS[command]) if leaf.dotted == dotted)


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - this is what the module is run for
