"""The alert rules: each fires and stays silent where its cases say, and leads to a page that is there."""

import json
import re
from itertools import chain
from pathlib import Path

import promql_parser
import pytest
from promql.alerts import Alert, read_rules, run_tests, seconds

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules/tallyledger.yml"
CASES = list(run_tests(RULES.with_name("tallyledger_test.yml")))
# What Prometheus itself makes.
PROMETHEUS_OWN = {"up", "ALERTS"}


@pytest.mark.parametrize(("expected", "found"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_fires_is_what_the_case_says(expected: list[Alert], found: list[Alert]) -> None:
    assert found == expected


def test_every_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    named = {rule["alert"] for rule in read_rules(RULES)}
    firing = {name.split(" at ")[0] for name, expected, _ in CASES if expected}
    silent = {name.split(" at ")[0] for name, expected, _ in CASES if not expected}
    assert (named - firing, named - silent) == (set(), set())


def test_every_rule_says_how_bad_it_is_what_it_is_and_what_to_do() -> None:
    for rule in read_rules(RULES):
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor in anchors(ROOT / page), rule["alert"]


def test_windows_outlast_four_scrapes() -> None:
    text = RULES.read_text()
    assert {seconds(window) >= 4 * 15 for window in re.findall(r"\[(\w+)\]", text)} == {True}


def test_rules_read_only_what_is_exported(documented: dict[str, set[str]]) -> None:
    for rule in read_rules(RULES):
        assert unknown(rule["expr"], documented) == set(), rule["alert"]


def test_the_dashboard_reads_only_what_is_exported_and_explains_each_panel(documented: dict[str, set[str]]) -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/tallyledger.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == ["Is billing healthy?", "Door", "Ledger", "Push", "Stripe", "Reconciliation", "Loop and machine"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in panels:
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$tenant", ".*")
            assert unknown(expression, documented) == set(), panel["title"]
    boxes = [panel["gridPos"] for panel in dashboard["panels"]]
    taken = list(chain.from_iterable(squares(box) for box in boxes))
    assert len(taken) == len(set(taken)), "panels lie on each other"


@pytest.fixture(scope="module")
def documented() -> dict[str, set[str]]:
    """Every documented series and the labels it may be asked by."""
    rows = re.findall(r"^\| `(tally_\w+)` \| ([^|]*)\|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    series = {name: set(re.findall(r"`(\w+)`", labels)) | {"job", "instance"} for name, labels in rows}
    for histogram in ("tally_door_commit_rows", "tally_door_commit_seconds"):
        series |= {f"{histogram}_{part}": series[histogram] | {"le"} for part in ("bucket", "sum", "count")}
    return series


def unknown(expression: str, documented: dict[str, set[str]]) -> set[str]:
    """Names and labels in an expression that nothing exports."""
    found: set[str] = set()
    grouped: set[str] = set()
    known_labels: set[str] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            if node.name in PROMETHEUS_OWN:
                return
            labels = documented.get(node.name or "", set())
            known_labels.update(labels)
            found.update({str(node.name)} if node.name not in documented else set())
            found.update(f"{node.name}.{each.name}" for each in node.matchers.matchers if each.name not in labels)
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)
    return found | (grouped - known_labels)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def squares(box: dict[str, int]) -> list[tuple[int, int]]:
    """The grid's squares that a panel covers."""
    return [(x, y) for x in range(box["x"], box["x"] + box["w"]) for y in range(box["y"], box["y"] + box["h"])]
