"""Alert rules over time, and promtool's test files (`promtool test rules`) run against them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from promql.evaluate import Evaluator, NotKnown
from promql.series import NAME, read_series

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}")
_RULE_KEYS = {"alert", "expr", "for", "labels", "annotations"}


@dataclass(frozen=True)
class Alert:
    """A firing alert as `exp_alerts` describes it; its name apart."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def read_rules(path: Path) -> list[dict[str, Any]]:
    """The alert rules of a rule file.

    Raises:
        NotKnown: a rule says something that `firing` does not take into account.
    """
    rules = [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    for rule in rules:
        if unknown := set(rule) - _RULE_KEYS:
            raise NotKnown(f"{rule}: {unknown}")
    return rules


def firing(rule: Mapping[str, Any], evaluator: Evaluator, at: float, interval: float) -> list[Alert]:
    """The rule's alerts that fire at `at` seconds, evaluated from 0 on every `interval` seconds."""
    expression = promql_parser.parse(rule["expr"])
    hold = seconds(rule["for"]) if "for" in rule else 0.0
    since: dict[Any, float] = {}
    values: dict[Any, float] = {}
    for step in range(int(at // interval) + 1):
        moment = step * interval
        values = evaluator.vector(expression, moment)
        since = {labels: since.get(labels, moment) for labels in values}
    last = at // interval * interval
    return [_alert(rule, dict(labels), value) for labels, value in values.items() if last - since[labels] >= hold]


def run_tests(path: Path) -> Iterator[tuple[str, Sequence[Alert], Sequence[Alert]]]:
    """Every case of a test file: what it is, what is expected, what fires."""
    document = yaml.safe_load(path.read_text())
    rules = {rule["alert"]: rule for name in document["rule_files"] for rule in read_rules(path.parent / name)}
    interval = seconds(document.get("evaluation_interval", "1m"))
    for test in document["tests"]:
        every = seconds(test.get("interval", document.get("evaluation_interval", "1m")))
        evaluator = Evaluator(read_series(each["series"], each["values"], every) for each in test["input_series"])
        for case in test["alert_rule_test"]:
            expected = [
                Alert(alert.get("exp_labels", {}), alert.get("exp_annotations", {}))
                for alert in case.get("exp_alerts", [])
            ]
            found = firing(rules[case["alertname"]], evaluator, seconds(case["eval_time"]), interval)
            yield f"{case['alertname']} at {case['eval_time']}: {test['name']}", _sorted(expected), _sorted(found)


def seconds(duration: str) -> float:
    """A duration such as 5m."""
    return promql_parser.parse_duration(duration).total_seconds()


def _sorted(alerts: Iterable[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: sorted(alert.labels.items()))


def _alert(rule: Mapping[str, Any], labels: dict[str, str], value: float) -> Alert:
    labels.pop(NAME, None)
    annotations = {
        name: _TEMPLATE.sub(lambda found: _rendered(found[1].strip(), labels, value), text)
        for name, text in rule["annotations"].items()
    }
    return Alert(labels | rule.get("labels", {}), annotations)


def _rendered(template: str, labels: Mapping[str, str], value: float) -> str:
    if template.startswith("$labels."):
        return labels.get(template.removeprefix("$labels."), "")
    if template == "$value" and value == int(value) and abs(value) < 1_000_000:
        return str(int(value))
    if template == "$value | humanizePercentage":
        return f"{value * 100:.4g}%"
    if template == "$value | humanizeDuration" and value >= 60:
        minutes, rest = divmod(int(value), 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        parts = [f"{days}d"] * bool(days) + [f"{hours}h"] * bool(days or hours) + [f"{minutes}m", f"{rest}s"]
        return " ".join(parts)
    raise NotKnown(f"{{{{ {template} }}}} of {value}")
