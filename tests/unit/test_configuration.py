"""The configuration file: what is wrong is named by its place."""

from pathlib import Path

import pytest

from tally.configuration import Configuration, load_configuration
from tally.errors import ConfigurationError

GOOD = """
tenants:
  - id: acme
    name: Acme
    time_zone: Europe/Zurich
    epsilon: "0.001"
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


@pytest.mark.parametrize(
    ("wrong", "right", "place"),
    [
        ("aggregation: sum", "aggregation: average", "tenants.0.meters.0.aggregation"),
        ("lateness_window: 36h", "lateness_window: 36 hours", "tenants.0.meters.0.lateness_window"),
        ("Europe/Zurich", "Europe/Zürich", "tenants.0.time_zone"),
        ('epsilon: "0.001"', "epsilon: 0.001", "tenants.0.epsilon"),
        ('epsilon: "0.001"', 'epsilon: "1.5"', "tenants.0.epsilon"),
        ("id: acme", "id: Acme Inc", "tenants.0.id"),
        ("metric: api_calls", "metric: API calls", "tenants.0.meters.0.metric"),
        ("ref: globex", "reference: globex", "tenants.0.customers.0.reference"),
        ("- {ref: globex}", "- {ref: globex}\n      - {ref: globex}", "ref is declared twice: globex"),
        ("event_name: api_calls", "event_name: x, account: main", "tenants.0.meters.0.stripe.account"),
        ("tenants:", "tenant:", "tenants"),
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
