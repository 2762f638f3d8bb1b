"""The reference of the settings, generated from the models: for `--help` and for docs/settings.md."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import takewhile
from typing import Final

from exporter.catalog import CATALOG
from exporter.settings.model import COMMANDS, PREFIX, PROXY_AUTH
from exporter.settings.options import Option, Shape, options
from exporter.settings.sections import FILTERS, OrganizationSection, TopUp

_ANY: Final = "<name>"
_WIDTH: Final = 100

_VARIABLES: Final = (
    ("OPENAI_ADMIN_KEY", "Admin key of the organization"),
    ("OPENAI_ADMIN_KEY_FILE", "File with the admin key, instead of OPENAI_ADMIN_KEY; read again when it changes"),
    ("OPENAI_API_KEY", "Ordinary key, for the legacy billing endpoints where there is no admin key"),
    ("OPENAI_PROJECT_ID", "Only this project"),
    ("OPENAI_ORG_ID", "Value of the request header OpenAI-Organization; default: not sent"),
    (PROXY_AUTH, "user:password for api.proxy; or use api.proxy_auth_file"),
)

_INTRODUCTION: Final = f"""\
# Settings

Generated from the code by `make docs`; do not edit.

Sources of settings, in order of precedence:

1. flags after the command: `openai-usage-exporter run --web.listen-address :9100`
2. environment variables: `{PREFIX}WEB__LISTEN_ADDRESS=:9100` (an empty variable counts as not set)
3. the YAML file given by `--config.file` or `{PREFIX}CONFIG__FILE`:

   ```yaml
   web:
     listen_address: ":9100"
   ```

The flag is the setting's path in kebab-case; the variable is the path in capitals, with `__` between its parts.

| type | command line | environment | YAML |
| --- | --- | --- | --- |
| list | `model,batch`, or the flag repeated | `model,batch` or `["model","batch"]` | `[model, batch]` |
| mapping | `key=value`, the flag repeated | `{{"key": "value"}}` | `{{key: value}}` |
| true or false | `--flag` or `--flag=false` | `true` or `false` | `true` or `false` |

A comma followed by a space does not separate values. Durations are seconds or have units: `90s`, `5m`, `6h`, `31d`,
`1h30m`. Sizes are bytes or have units: `512KiB`, `32MiB`. Relative paths are relative to the working directory, `~` is
the home directory.

Unknown settings are refused in every source. Each problem is printed on its own line, without the value, and the exit
status is 2. One file can serve all commands. It has at most 2 MiB, neither anchors nor aliases, and every name once.
"""

_LOOPBACK: Final = "`demo` and `simulate` listen on loopback by default: `{}` and `{}`.\n"

_PREPAID: Final = """\
In the YAML file only, next to `budgets`: one entry, or a list of them. OpenAI does not report the balance of prepaid
credit: [estimate](estimate.md#prepaid-credit) describes what the exporter derives from it.
"""

_PREPAID_EXAMPLE: Final = """\
```yaml
prepaid:
  - {balance_usd: 412.50, as_of: 2026-11-01T09:30:00Z}
  - {balance_usd: 500, as_of: 2026-11-20}
```
"""

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


def help_text(command: str) -> str:
    """Return the flags of a command, for a terminal. Raises KeyError."""
    known = tuple(_folded(options(COMMANDS[command])))
    parts = []
    if own := [option for option in known if option.command_line_only]:
        parts.append(_help_section("Arguments and flags of this command", own))
    parts.append(_help_section("Settings", [option for option in known if option.source is None]))
    names = "\n".join(f"  {line}" for line in textwrap.wrap(", ".join(row.name for row in CATALOG), _WIDTH))
    parts.append(f"{_ANY} is one of these resources:\n{names.replace('_', '-')}\n")
    variables = "".join(f"  {name}\n      {what}\n" for name, what in _VARIABLES)
    parts.append(f"From the environment only:\n{variables}")
    return "\n".join(parts)


def markdown() -> str:
    """Return docs/settings.md."""
    shared = tuple(options(COMMANDS["run"]))
    general = [option for option in shared if option.source is None and option.path[0] != "resources"]
    resources = [option for option in _folded(shared) if option.path[:2] == ("resources", _ANY)]
    parts = [
        _INTRODUCTION,
        "## Keys\n",
        "From the environment only; neither flags nor the file may contain secrets.\n",
        _table(("variable", "meaning"), ((f"`{name}`", what) for name, what in _VARIABLES)),
        "## All commands\n",
        _settings_table(general),
        _LOOPBACK.format(*(_default(command, "web.listen_address") for command in ("demo", "simulate"))),
        "## Resources\n",
        f"`{_ANY}` is one of {', '.join(f'`{row.name}`' for row in CATALOG)}.\n",
        _settings_table(resources),
        "What each resource supports; everything else is refused:\n",
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
        "## Prepaid credit\n",
        _PREPAID,
        _table(("member", "meaning"), ((f"`{option.dotted}`", option.description) for option in options(TopUp))),
        _PREPAID_EXAMPLE,
        "## Organizations\n",
        _ORGANIZATIONS,
        _table(("member", "meaning"), ((f"`{option.dotted}`", option.description) for option in _of_organization())),
        _ORGANIZATIONS_EXAMPLE,
    ]
    for command, model in COMMANDS.items():
        if own := [option for option in options(model) if option.command_line_only]:
            parts += [
                f"## Flags of `{command}`\n",
                _table(
                    ("flag", "default", "meaning"),
                    ((f"`{option.flag}`", _default_cell(option), option.description) for option in own),
                ),
            ]
    return "\n".join(parts)


def example_file() -> str:
    """Return a settings file with every setting commented out, at its default."""
    unsupported = {name for name in FILTERS if name not in CATALOG[0].filters}
    known = [
        option
        for option in options(COMMANDS["run"])
        if option.source is None and option.path[0] != "config" and option.path[-1] not in unsupported
    ]
    lines = ["# Settings of openai-usage-exporter; use it with --config.file. Every line shows a default.\n"]
    sections: list[str] = []
    for option in _folded(known):
        *parents, name = option.path
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(sections, parents, strict=False)))
        lines += [f"{'  ' * depth}{parents[depth]}:\n" for depth in range(common, len(parents))]
        sections = parents
        indent = "  " * len(parents)
        lines += [f"{indent}# {option.description}\n", f"{indent}# {name}: {_yaml_value(option)}\n"]
    text = "".join(lines).replace(f"{_ANY}:", f"{CATALOG[0].name}:")
    return f"{text}# Several organizations instead of the one of the environment:\n{_commented(_ORGANIZATIONS_EXAMPLE)}"


def _yaml_value(option: Option) -> str:
    match option.shape:
        case Shape.LIST if option.default != "[]":
            return f"[{', '.join(map(_quoted, option.default.split(',')))}]" if option.default else "null"
        case Shape.MAP:
            return "{}"
        case _:
            return _quoted(option.default) if option.default else "null"


def _quoted(text: str) -> str:
    return f'"{text}"' if ":" in text else text


def _commented(block: str) -> str:
    return "".join(f"# {line}\n" for line in block.splitlines() if not line.startswith("```"))


def _folded(known: Iterable[Option]) -> Iterator[Option]:
    """Yield the settings, with one entry for all resources instead of one per resource."""
    for option in known:
        if option.path[0] != "resources":
            yield option
        elif option.path[1] == CATALOG[0].name:
            yield replace(option, path=("resources", _ANY, *option.path[2:]))


def _of_organization() -> Iterator[Option]:
    yield from (option for option in options(OrganizationSection) if option.path[0] != "resources")
    what = "Overrides of the settings in the section Resources, member by member"
    yield Option(path=("resources",), shape=Shape.MAP, default="", required=False, description=what, source=None)


def _help_section(title: str, known: Iterable[Option]) -> str:
    return f"{title}:\n" + "".join(_help_entry(option) for option in known)


def _help_entry(option: Option) -> str:
    syntax = "" if option.source == "argument" else option.shape.value
    default = f" (default: {option.default})" if option.default else ""
    text = textwrap.fill(option.description + default, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return f"  {option.flag}{syntax}\n{text}\n"


def _settings_table(known: Iterable[Option]) -> str:
    return _table(
        ("setting", "flag", "environment", "default", "meaning"),
        (
            (
                f"`{option.dotted}`",
                f"`{option.flag}`",
                f"`{option.variable}`",
                _default_cell(option),
                option.description,
            )
            for option in known
        ),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _default_cell(option: Option) -> str:
    if option.required:
        return "required"
    return f"`{option.default}`" if option.default else ""


def _default(command: str, dotted: str) -> str:
    return next(option.default for option in options(COMMANDS[command]) if option.dotted == dotted)
