"""Our evaluator against figures that Prometheus' own tests state (promqltest: functions, operators, staleness)."""

import promql_parser
import pytest
from promql.evaluate import Evaluator, NotKnown
from promql.series import Series, read_series

MINUTE = 60.0


def load(every: float, **values: str) -> list[Series]:
    """Series named by their keys; `__` in a key starts a label `x`: `a__b` is a{x="b"}."""
    return [read_series(name.replace("__", '{x="') + ('"}' if "__" in name else ""), text, every)
            for name, text in values.items()]  # fmt: skip


def evaluated(series: list[Series], expression: str, at: float) -> dict[str, float]:
    """The vector, by the label `x` ("" without one)."""
    found = Evaluator(series).vector(promql_parser.parse(expression), at)
    return {dict(labels).get("x", ""): value for labels, value in found.items()}


COUNTERS = load(
    5 * MINUTE, total__foo="0+10x10", total__bar="0+18x5 0+18x5", total__dings="10+10x10", total__bumms="1+10x10",
    reset__foo="0 1 2 3 2 3 4", middle="0+27x4 0+27x5", window="0+80x10", end="0+10x9 0 10",
)  # fmt: skip
CUT_OFF = load(4 * MINUTE, c__0="0+240x10", c__1="60+240x10", c__2="120+240x10", c__3="180+240x10", c__5="300+240x10")


@pytest.mark.parametrize(
    ("series", "expression", "minutes", "expected"),
    [
        (COUNTERS, "increase(total[50m])", 50, {"foo": 100, "bar": 160, "dings": 100, "bumms": 100}),
        (COUNTERS, "increase(total[100m])", 50, {"foo": 100, "bar": 162, "dings": 105, "bumms": 101}),
        (COUNTERS, "increase(reset[30m])", 30, {"foo": 7}),
        (COUNTERS, "rate(middle[50m])", 50, {"": 0.08}),
        (COUNTERS, "rate(window[50m])", 50, {"": 0.26666666666666666}),
        (COUNTERS, "rate(end[5m])", 50, {}),
        (COUNTERS, "rate(end[6m])", 50, {"": 0}),
        (CUT_OFF, "rate(c[20m])", 10, {"0": 0.5, "1": 0.55, "2": 0.6, "3": 0.6, "5": 0.6}),
        (CUT_OFF, "rate(c[20m])", 50, dict.fromkeys("01235", 0.6)),
    ],
)
def test_rates_are_those_of_prometheus(
    series: list[Series], expression: str, minutes: int, expected: dict[str, float]
) -> None:
    assert evaluated(series, expression, minutes * MINUTE) == pytest.approx(expected)


REQUESTS = [
    read_series(f'requests{{job="{job}", instance="{instance}", x="{group}"}}', f"0+{step}x10", 5 * MINUTE)
    for step, (job, group, instance) in enumerate(
        [(job, group, instance) for job in ("api", "app") for group in ("production", "canary") for instance in "01"], 1
    )
]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sum by (job) (requests) - count by (job) (requests)", [96, 256]),
        ("sum by (job) (requests) > 100", [260]),
        ("sum by (job) (requests) <= 100", [100]),
        ("sum by (job) (requests) / 0", [float("inf"), float("inf")]),
        ('requests{x="canary"} and requests{instance="0"}', [30, 70]),
        ('requests{x="canary"} unless requests{instance="0"}', [40, 80]),
        ('(requests{x="canary"} + 1) or requests{instance="1"}', [20, 31, 41, 60, 71, 81]),
        ('requests{job=~"a.i", instance!="1"}', [10, 30]),
        ("sum(requests)", [360]),
        ('absent(requests{job="api"})', []),
        ('absent(requests{job="none"})', [1]),
    ],
)
def test_operators_are_those_of_prometheus(expression: str, expected: list[float]) -> None:
    found = Evaluator(REQUESTS).vector(promql_parser.parse(expression), 50 * MINUTE)
    assert sorted(found.values()) == expected


def test_a_series_ends_by_a_mark_or_after_five_minutes() -> None:
    series = load(10, metric="0 1 stale 2")
    assert [evaluated(series, "metric", at) for at in (10, 20, 30, 40, 331)] == [{"": 1}, {}, {"": 2}, {"": 2}, {}]


@pytest.mark.parametrize(
    "expression",
    ["a offset 5m", "avg(a)", "sum without (x) (a)", "topk(1, a)", "a > bool 1", "a / on (x) a", "a % 2", "-a",
     "predict_linear(a[5m], 60)", "rate(a[5m:1m])", "1 < a", "absent(sum(a))", "a * on (x) group_left () a", "a @ 5"],
)  # fmt: skip
def test_what_it_does_not_know_is_refused(expression: str) -> None:
    with pytest.raises(NotKnown):
        Evaluator(load(60, a__1="1x10", a__2="1x10")).vector(promql_parser.parse(expression), 300)
