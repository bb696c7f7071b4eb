"""The demo's configuration file agrees with what the demo posts, bills and checks."""

from pathlib import Path

import demo
from demo.billing_periods import LATENESS_WINDOW, TIME_ZONE
from demo.dataset import read_airlines
from demo.flights import METRICS
from demo.prices import price_of
from tally.configuration import load_configuration

FILE = Path(demo.__file__).parent / "tally.yaml"


def test_it_declares_the_demo() -> None:
    (tenant,) = load_configuration(FILE).tenants
    assert (tenant.id, tenant.time_zone) == ("newark", TIME_ZONE)
    assert {customer.ref: customer.name for customer in tenant.customers} == read_airlines()
    assert [meter.metric for meter in tenant.meters] == list(METRICS)
    assert [meter.aggregation for meter in tenant.meters] == ["count", "sum", "max", "last"]
    assert all(meter.lateness_window == LATENESS_WINDOW for meter in tenant.meters)
    assert all(meter.stripe is not None and meter.stripe.event_name == meter.metric for meter in tenant.meters)


def test_every_metric_has_a_price() -> None:
    for metric in METRICS:
        price = price_of(metric, "prod_1", "mtr_1")
        assert price["recurring"]["meter"] == "mtr_1"
        assert ("unit_amount" in price) + ("unit_amount_decimal" in price) + ("tiers" in price) == 1
