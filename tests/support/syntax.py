"""What a PromQL query is made of: selectors, where they stand, and which labels every part has."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import promql_parser as promql

from tests.support.families import TARGET_LABELS

RISING = frozenset({"rate", "irate", "increase", "resets"})
"""Functions that are for counters alone."""

Labels = frozenset[str]


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector of a query."""

    names: frozenset[str]
    """The families that it means."""
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""
    path: tuple[promql.Expr, ...]
    """What stands around it, from the outside to the selector itself."""

    @property
    def functions(self) -> list[str]:
        """The functions around it, from the outside in."""
        return [node.func.name for node in self.path if isinstance(node, promql.Call)]


class MistakeError(AssertionError):
    """A query names what is not there."""


def selectors(expr: str, families: Mapping[str, Labels]) -> list[Selector]:
    """Return every selector of a query. Raises MistakeError for one that means no family."""
    return list(_selectors((promql.parse(expr),), families))


def result_labels(expr: str, families: Mapping[str, Labels]) -> Labels:
    """Return the labels that a query's result may have. Raises MistakeError where a label is used that is not there."""
    return _labels(promql.parse(expr), families)


def children(node: promql.Expr) -> list[promql.Expr]:
    """Return the parts of an expression."""
    match node:
        case promql.BinaryExpr():
            return [node.lhs, node.rhs]
        case promql.AggregateExpr():
            return [node.expr, *([node.param] if node.param else [])]
        case promql.Call():
            return list(node.args)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return [node.expr]
        case promql.MatrixSelector():
            return [node.vector_selector]
        case _:
            return []


def _selectors(path: tuple[promql.Expr, ...], families: Mapping[str, Labels]) -> Iterator[Selector]:
    node = path[-1]
    if isinstance(node, promql.VectorSelector):
        yield Selector(_names(node, families), _matchers(node), path)
    for child in children(node):
        yield from _selectors((*path, child), families)


def _matchers(node: promql.VectorSelector) -> tuple[tuple[str, str, str], ...]:
    return tuple((each.name, str(each.op), each.value) for each in node.matchers.matchers)


def _names(node: promql.VectorSelector, families: Mapping[str, Labels]) -> frozenset[str]:
    if node.name:
        names = {node.name} & set(families)
    else:
        (pattern,) = (value for label, _, value in _matchers(node) if label == "__name__")
        names = {name for name in families if re.fullmatch(pattern, name)}
    if not names:
        raise MistakeError(f"no family is meant by {node.prettify()}")
    return frozenset(names)


def _labels(node: promql.Expr, families: Mapping[str, Labels]) -> Labels:
    match node:
        case promql.VectorSelector():
            return _of_selector(node, families)
        case promql.AggregateExpr():
            return _of_aggregation(node, families)
        case promql.BinaryExpr():
            return _of_operator(node, families)
        case promql.Call():
            return _of_call(node, families)
        case _:
            return frozenset[str]().union(*(_labels(child, families) for child in children(node)))


def _of_selector(node: promql.VectorSelector, families: Mapping[str, Labels]) -> Labels:
    names = _names(node, families)
    for name in names:
        for label, _, _ in _matchers(node):
            _require({label}, families[name] | TARGET_LABELS | {"__name__"}, f"{name} in {node.prettify()}")
    return frozenset(TARGET_LABELS).union(*(families[name] for name in names))


def _of_aggregation(node: promql.AggregateExpr, families: Mapping[str, Labels]) -> Labels:
    inner = _labels(node.expr, families)
    labels = frozenset(node.modifier.labels if node.modifier else ())
    chosen = str(node.op) in {"topk", "bottomk"}
    if node.modifier and "Without" in str(node.modifier.type):
        return inner if chosen else inner - labels
    _require(labels, inner, node.prettify())
    return inner if chosen else labels


def _of_operator(node: promql.BinaryExpr, families: Mapping[str, Labels]) -> Labels:
    left, right = _labels(node.lhs, families), _labels(node.rhs, families)
    operator = str(node.op)
    joined = node.modifier.matching if node.modifier else None
    on = frozenset(joined.labels) if joined and "Include" in str(joined.type) else None
    if on:
        _require(on, left, node.prettify())
        _require(on, right, node.prettify())
    if operator in {"and", "unless"}:
        return left
    if operator == "or":
        return left | right
    brought = frozenset(node.modifier.group_labels or ()) if node.modifier else frozenset[str]()
    if "ManyToOne" in str(node.modifier.card if node.modifier else ""):
        _require(brought, right, node.prettify())
        return left | brought
    return on if on is not None else left | right


def _of_call(node: promql.Call, families: Mapping[str, Labels]) -> Labels:
    labels = frozenset[str]().union(*(_labels(argument, families) for argument in node.args))
    match node.func.name:
        case "label_replace":
            target, _, source, _ = (str(argument.val) for argument in node.args[1:])
            _require({source} - {target, ""}, labels, node.prettify())
            return labels | {target}
        case "label_join":
            target, _, *sources = (str(argument.val) for argument in node.args[1:])
            _require(set(sources), labels, node.prettify())
            return labels | {target}
        case "histogram_quantile":
            _require({"le"}, labels, node.prettify())
            return labels - {"le"}
        case "scalar":
            return frozenset()
        case _:
            return labels


def _require(wanted: set[str] | Labels, there: Labels, where: str) -> None:
    if missing := wanted - there:
        raise MistakeError(f"no label {', '.join(sorted(missing))} in {where}")
