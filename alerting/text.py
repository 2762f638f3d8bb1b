"""Rule files as text: comments, records and expressions, laid out as one writes them by hand."""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_WIDTH = 110
OWNER = "organization, project_id"
"""The labels of whom usage and spend belong to."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule."""

    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A rule group, evaluated once a minute."""

    name: str
    records: Iterable[Record]


def indented(text: str, spaces: int) -> str:
    """Return text without its common indentation, and with one of so many spaces."""
    return textwrap.indent(textwrap.dedent(text).strip("\n"), " " * spaces)


def alternatives(expressions: Mapping[str, str], spaces: int = 12) -> str:
    """Return the union of some vectors, each kept apart by a label that the aggregation around them removes."""
    vectors = [indented(labelled(of, expression), 2) for of, expression in expressions.items()]
    return textwrap.indent("\nor\n".join(vectors), " " * spaces)


def labelled(of: str, expression: str) -> str:
    """Return a vector with a label that keeps it apart from others in a union."""
    return f'label_replace({expression}, "of", "{of}", "", "")'


def rule_file(comment: str, groups: Iterable[Group]) -> str:
    """Return the text of a rule file that is generated from this package."""
    head = [*_comment(comment, ""), "# Written by `make rules`; do not edit."]
    return "\n".join([*head, "groups:", "\n\n".join(_group(group) for group in groups)]) + "\n"


def _group(group: Group) -> str:
    lines = [f"  - name: {group.name}", "    interval: 1m", "    rules:"]
    for record in group.records:
        lines += _comment(record.comment, "      ")
        lines.append(f"      - record: {record.name}")
        if record.labels:
            labels = ", ".join(f"{name}: {value}" for name, value in record.labels.items())
            lines.append(f"        labels: {{{labels}}}")
        lines += _expression(record.expression)
    return "\n".join(lines)


def _expression(expression: str) -> list[str]:
    text = textwrap.dedent(expression).strip("\n")
    if "\n" not in text:
        return [f"        expr: {text}"]
    return ["        expr: |2", *(f"          {line}".rstrip() for line in text.splitlines())]


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, _WIDTH)]
