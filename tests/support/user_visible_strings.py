"""Every text that a user can see, by area: `make strings` prints them, and with `ARGS=--problems` those to rewrite."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from exporter.collector import ALL as METADATA_METRICS
from exporter.exposition import reference
from exporter.settings import help_text
from exporter.settings.model import COMMANDS
from exporter.settings.options import options
from exporter.telemetry import Telemetry

_ROOT: Final = Path(__file__).parents[2]
_SILENT: Final = ("simulator",)
"""Packages whose messages imitate OpenAI's."""
_LEVELS: Final = {"debug", "info", "warning", "error", "exception", "critical"}
_LOG_FIELDS: Final = {"detail", "advice"}
_PANEL_TEXTS: Final = {"title", "description", "noValue", "displayName", "content", "label", "legendFormat", "text"}
_WORDS: Final = re.compile(r"[a-z]{2,}[^\n]* [a-z]{2,}")

AVOID: Final = re.compile(
    r"\b(?:told|tells?|telling|anew|asked for|in words|beside|so long|whatever|likewise|nought|in vain|at hand"
    r"|stands|of (?:its|their|one's) own)\b",
    re.IGNORECASE,
)
"""Words that documentation and messages do not use."""
EVENT: Final = re.compile(r"[a-z0-9_]+")
"""The form of a log event."""


@dataclass(frozen=True, slots=True)
class Visible:
    """One text."""

    area: str
    """`help`, `settings`, `log`, `dashboards`, `rules` or `messages/<package>`."""
    where: str
    """A metric, a setting, or a file with a line."""
    text: str
    is_event: bool = False

    @property
    def problem(self) -> str:
        """What is wrong with it; empty if nothing is."""
        if self.is_event:
            return "" if EVENT.fullmatch(self.text) else "an event is lower-case words joined by underscores"
        found = AVOID.search(self.text)
        return f"avoid {found[0]!r}" if found else ""


def user_visible_strings() -> Iterator[Visible]:
    """Yield every text, in the order of the areas."""
    yield from _help()
    yield from _settings()
    yield from _code()
    yield from _rules()
    yield from _dashboards()


def _help() -> Iterator[Visible]:
    for family in reference():
        yield Visible("help", family.name, family.help)
    for metric in METADATA_METRICS:
        yield Visible("help", metric.name, metric.help)
    for collected in Telemetry().registry.collect():
        yield Visible("help", collected.name, collected.documentation)


def _settings() -> Iterator[Visible]:
    seen = set()
    for command, model in COMMANDS.items():
        for option in options(model):
            if option.description not in seen:
                seen.add(option.description)
                yield Visible("settings", option.dotted, option.description)
        for line in help_text(command).splitlines():
            if _WORDS.search(line) and line.strip() not in seen:
                seen.add(line.strip())
                yield Visible("settings", f"{command} --help", line.strip())


def _code() -> Iterator[Visible]:
    for path in sorted((_ROOT / "exporter").rglob("*.py")):
        package = path.relative_to(_ROOT / "exporter").parts[0].removesuffix(".py")
        if package not in _SILENT:
            yield from _module(package, str(path.relative_to(_ROOT)), ast.parse(path.read_text()))


def _module(package: str, where: str, tree: ast.Module) -> Iterator[Visible]:
    """Yield log events and their sentences first, then every other string of more than one word."""
    nodes = list(ast.walk(tree))
    listed = _documentation(tree)
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            listed |= {id(part) for part in ast.walk(node) if isinstance(part, ast.Constant)}
        if isinstance(node, ast.Call) and (event := _event(node)) is not None:
            sentences = [each.value for each in node.keywords if each.arg in _LOG_FIELDS and _text(each.value)]
            listed |= {id(each) for each in (node.args[0], *sentences)}
            yield Visible("log", f"{where}:{node.lineno}", event, is_event=True)
            yield from (Visible("log", f"{where}:{node.lineno}", _text(each)) for each in sentences)
    for node in nodes:
        if id(node) not in listed and (text := _text(node)) and _WORDS.search(text):
            yield Visible(f"messages/{package}", f"{where}:{getattr(node, 'lineno', 0)}", " ".join(text.split()))


def _documentation(tree: ast.Module) -> set[int]:
    """Return the docstrings, and the strings that document attributes."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _event(call: ast.Call) -> str | None:
    match call:
        case ast.Call(func=ast.Attribute(value=logger, attr=level), args=[ast.Constant(value=str(event)), *_]) if (
            level in _LEVELS and "log" in ast.unparse(logger).rpartition(".")[2]
        ):
            return event
        case _:
            return None


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts)  # type: ignore[misc]
        case _:
            return ""


def _rules() -> Iterator[Visible]:
    for path in sorted((_ROOT / "deploy/prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                for name, text in rule.get("annotations", {}).items():
                    yield Visible("rules", f"{path.name}: {rule['alert']}: {name}", " ".join(text.split()))


def _dashboards() -> Iterator[Visible]:
    for path in sorted((_ROOT / "grafana").glob("*.json")):
        seen = set()
        for name, text in _panel_texts(json.loads(path.read_text())):
            if text not in seen:
                seen.add(text)
                yield Visible("dashboards", f"{path.name}: {name}", text)


def _panel_texts(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        for name, child in value.items():
            if name in _PANEL_TEXTS and isinstance(child, str) and child:
                yield name, child
            yield from _panel_texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _panel_texts(child)


def _main() -> None:
    problems_only = "--problems" in sys.argv[1:]
    for visible in user_visible_strings():
        if visible.problem or not problems_only:
            problem = f"  <- {visible.problem}" if visible.problem else ""
            print(f"{visible.area}\t{visible.where}\t{visible.text}{problem}")  # noqa: T201 - a command for maintainers


if __name__ == "__main__":
    _main()
