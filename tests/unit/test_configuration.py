"""The configuration file: what is wrong is named by its place."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import demo
from tally.configuration import Adjustments, Configuration, Customer, Tenant, load_configuration
from tally.configuration.alerts import UsageAlert
from tally.configuration.meter import Meter, StripeMapping
from tally.errors import ConfigurationError

TEMPLATE = (Path(demo.__file__).parent / "tally.yaml").read_text()
GOOD = """
tenants:
  - id: acme
    name: Acme
    time_zone: Europe/Zurich
    calendar_period: week
    epsilon: "0.001"
    adjustments: {book_into: next_period, second_person: true}
    meters:
      - {metric: api_calls, aggregation: sum, lateness_window: 36h, stripe: {event_name: api_calls}}
    customers:
      - {ref: globex}
"""


def load(tmp_path: Path, text: str) -> Configuration:
    file = tmp_path / "tally.yaml"
    file.write_text(text)
    return load_configuration(file)


def test_a_good_file_loads(tmp_path: Path) -> None:
    tenant = load(tmp_path, GOOD).tenants[0]
    assert (str(tenant.epsilon), tenant.meters[0].lateness_window.total_seconds()) == ("0.001", 36 * 3600)
    assert (tenant.calendar_period, tenant.adjustments) == (
        "week", Adjustments(book_into="next_period", second_person=True),
    )  # fmt: skip


def test_what_is_left_out_is_what_tenants_had_before(tmp_path: Path) -> None:
    tenant = load(tmp_path, "tenants: [{id: acme, name: Acme}]").tenants[0]
    assert (tenant.calendar_period, tenant.adjustments.book_into, tenant.adjustments.second_person) == (
        "month", "current_period", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "right", "place"),
    [
        ("aggregation: sum", "aggregation: mean", "tenants.0.meters.0.aggregation"),
        ("lateness_window: 36h", "lateness_window: 36 hours", "tenants.0.meters.0.lateness_window"),
        ("Europe/Zurich", "Europe/Zürich", "tenants.0.time_zone"),
        ("calendar_period: week", "calendar_period: quarter", "tenants.0.calendar_period"),
        ("book_into: next_period", "book_into: last_period", "tenants.0.adjustments.book_into"),
        ("second_person: true", "second_person: maybe", "tenants.0.adjustments.second_person"),
        ('epsilon: "0.001"', "epsilon: 0.001", "tenants.0.epsilon"),
        ('epsilon: "0.001"', 'epsilon: "1.5"', "tenants.0.epsilon"),
        ("id: acme", "id: Acme Inc", "tenants.0.id"),
        ("name: Acme", 'name: "A\\0"', "tenants.0.name"),
        ("metric: api_calls", "metric: API calls", "tenants.0.meters.0.metric"),
        ("ref: globex", "reference: globex", "tenants.0.customers.0.reference"),
        ("- {ref: globex}", "- {ref: globex}\n      - {ref: globex}", "ref is declared twice: globex"),
        ("event_name: api_calls", "event_name: x, account: main", "tenants.0.meters.0.stripe.account"),
        ("tenants:", "tenant:", "tenants"),
        ("    name: Acme", "    name: Acme\n    name: Other", r"key 'name' stands twice\n.*line 3"),
        (GOOD, "tenants: []", "declare at least one tenant"),
        (GOOD, "tenants: [", "not YAML"),
    ],
)
def test_a_fault_is_named_by_its_place(tmp_path: Path, wrong: str, right: str, place: str) -> None:
    assert wrong in GOOD
    with pytest.raises(ConfigurationError, match=place):
        load(tmp_path, GOOD.replace(wrong, right))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: No such file"):
        load_configuration(tmp_path / "absent.yaml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "tally.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_configuration(tmp_path / "tally.yaml")


@pytest.mark.parametrize("block", [Tenant, Adjustments, Meter, StripeMapping, Customer, UsageAlert])
def test_the_template_explains_every_key(block: type[BaseModel]) -> None:
    assert [key for key in block.model_fields if not re.search(rf"\b{key}: ", TEMPLATE)] == (
        ["meters", "customers", "alerts"] if block is Tenant else []
    )


def test_the_templates_further_meters_load_when_the_marks_are_taken_away(tmp_path: Path) -> None:
    (tenant,) = load(tmp_path, re.sub(r"(?m)^      # (- |  )", r"      \1", TEMPLATE)).tenants
    assert {meter.aggregation for meter in tenant.meters} == {
        "count", "sum", "max", "last", "unique", "average", "percentile", "time_weighted_sum",
    }  # fmt: skip
    assert tenant.meters[-1].filter == {"origin": ["EWR", "JFK"], "dangerous": ["false"]}
