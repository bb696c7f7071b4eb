"""An evaluator of the PromQL that our alert rules use, at one moment.

The grammar is promql-parser's. What it parses and this does not know is refused, never guessed; what it knows is held
to figures of Prometheus' own tests by tests/unit/test_alert_rules_evaluator.py.
"""

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import promql_parser as promql
from promql.series import NAME, Labels, Series, labelled

LOOKBACK = 300.0

Vector = dict[Labels, float]
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip
_COMPARISON: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
_AGGREGATION: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": sum, "min": min, "max": max, "count": lambda values: float(len(values)),
}  # fmt: skip
_MATCH: Mapping[str, Callable[[str, str], bool]] = {
    str(promql.MatchOp.Equal): operator.eq,
    str(promql.MatchOp.NotEqual): operator.ne,
    str(promql.MatchOp.Re): lambda value, pattern: re.fullmatch(pattern, value) is not None,
    str(promql.MatchOp.NotRe): lambda value, pattern: re.fullmatch(pattern, value) is None,
}


class NotKnown(Exception):
    """PromQL that the evaluator does not know."""


class Evaluator:
    """Evaluates expressions over the series given."""

    def __init__(self, series: Iterable[Series]) -> None:
        self._series = list(series)

    def vector(self, expression: promql.Expr, at: float) -> Vector:
        """The instant vector at `at` seconds."""
        match expression:
            case promql.ParenExpr():
                return self.vector(expression.expr, at)
            case promql.VectorSelector():
                return self._instant(expression, at)
            case promql.Call():
                return self._call(expression, at)
            case promql.AggregateExpr():
                return self._aggregate(expression, at)
            case promql.BinaryExpr():
                return self._binary(expression, at)
        raise NotKnown(f"{type(expression).__name__}: {expression}")

    def _selected(self, selector: promql.VectorSelector) -> list[Series]:
        if selector.offset is not None or selector.at is not None or selector.matchers.or_matchers:
            raise NotKnown(f"offset, @ or `or` in {selector}")
        found = []
        for series in self._series:
            labels = dict(series.labels)
            if labels[NAME] == selector.name and all(
                _MATCH[str(each.op)](labels.get(each.name, ""), each.value) for each in selector.matchers.matchers
            ):
                found.append(series)
        return found

    def _instant(self, selector: promql.VectorSelector, at: float) -> Vector:
        found: Vector = {}
        for series in self._selected(selector):
            known = [value for moment, value in series.samples if at - LOOKBACK < moment <= at]
            if known and known[-1] is not None:
                found[series.labels] = known[-1]
        return found

    def _call(self, call: promql.Call, at: float) -> Vector:
        [argument] = call.args if len(call.args) == 1 else [None]
        if call.func.name in ("rate", "increase") and isinstance(argument, promql.MatrixSelector):
            window = argument.range.total_seconds()
            found: Vector = {}
            for series in self._selected(argument.vector_selector):
                grown = _increase(series, at - window, at)
                if grown is not None:
                    found[_without_name(series.labels)] = grown / (window if call.func.name == "rate" else 1)
            return found
        if call.func.name == "absent" and isinstance(argument, promql.VectorSelector):
            equal = {each.name: each.value for each in argument.matchers.matchers if each.op == promql.MatchOp.Equal}
            return {} if self._instant(argument, at) else {labelled(equal): 1.0}
        raise NotKnown(str(call))

    def _aggregate(self, aggregate: promql.AggregateExpr, at: float) -> Vector:
        combine = _AGGREGATION.get(str(aggregate.op))
        modifier = aggregate.modifier
        if combine is None or aggregate.param is not None:
            raise NotKnown(str(aggregate))
        if modifier is not None and modifier.type != promql.AggModifierType.By:
            raise NotKnown(str(aggregate))
        groups: dict[Labels, list[float]] = defaultdict(list)
        for labels, value in self.vector(aggregate.expr, at).items():
            groups[_only(labels, modifier.labels if modifier else [])].append(value)
        return {labels: combine(values) for labels, values in groups.items()}

    def _binary(self, binary: promql.BinaryExpr, at: float) -> Vector:
        name, modifier = str(binary.op), binary.modifier
        if modifier is not None and (modifier.return_bool or modifier.group_labels or modifier.matching is not None):
            raise NotKnown(f"bool, group or matching labels in {binary}")
        left = self.vector(binary.lhs, at)
        if isinstance(binary.rhs, promql.NumberLiteral):
            return _applied(name, {labels: (value, binary.rhs.val) for labels, value in left.items()})
        right = self.vector(binary.rhs, at)
        keys = {_without_name(labels) for labels in right}
        if name in ("and", "unless"):
            return {
                labels: value for labels, value in left.items() if (_without_name(labels) in keys) == (name == "and")
            }
        if name == "or":
            taken = {_without_name(labels) for labels in left}
            return left | {labels: value for labels, value in right.items() if _without_name(labels) not in taken}
        others = {_without_name(labels): value for labels, value in right.items()}
        if len(others) != len(right) or len({_without_name(labels) for labels in left}) != len(left):
            raise NotKnown(f"several series on one side in {binary}")
        pairs = {
            labels: (value, others[key]) for labels, value in left.items() if (key := _without_name(labels)) in others
        }
        return _applied(name, pairs)


def _applied(name: str, pairs: Mapping[Labels, tuple[float, float]]) -> Vector:
    if name in _COMPARISON:
        return {labels: left for labels, (left, right) in pairs.items() if _COMPARISON[name](left, right)}
    if name in _ARITHMETIC:
        return {
            _without_name(labels): _ARITHMETIC[name](left, right) if name != "/" or right else _over_zero(left)
            for labels, (left, right) in pairs.items()
        }
    raise NotKnown(name)


def _over_zero(value: float) -> float:
    return float("nan") if value == 0 else float("inf") if value > 0 else float("-inf")


def _increase(series: Series, start: float, end: float) -> float | None:
    """As Prometheus extrapolates it: to the window's edges, where the samples come near them, and never below zero."""
    samples = [(moment, value) for moment, value in series.samples if start < moment <= end and value is not None]
    if len(samples) < 2:
        return None
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    resets = sum(before for (_, before), (_, after) in pairwise(samples) if after < before)
    grown = last - first + resets
    spacing = (last_at - first_at) / (len(samples) - 1)
    to_start, to_end = first_at - start, end - last_at
    to_start = spacing / 2 if to_start >= spacing * 1.1 else to_start
    to_end = spacing / 2 if to_end >= spacing * 1.1 else to_end
    if grown > 0 and first >= 0:
        to_start = min(to_start, (last_at - first_at) * first / grown)
    return grown * (last_at - first_at + to_start + to_end) / (last_at - first_at)


def _without_name(labels: Labels) -> Labels:
    return frozenset(pair for pair in labels if pair[0] != NAME)


def _only(labels: Labels, kept: Sequence[str]) -> Labels:
    return frozenset(pair for pair in labels if pair[0] in kept)
