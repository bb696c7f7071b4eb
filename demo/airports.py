"""What the demo of the airports is set in: its tenant, its time, its Stripe side."""

from functools import partial
from pathlib import Path

from demo.billing_periods import ENDS_AT, FINALIZATION_GRACE, STARTS_AT
from demo.dataset import read_airlines
from demo.stage import Setting
from demo.stripe_side import StripeSide, create_stripe_side


def airports() -> Setting[StripeSide]:
    """Three airports of New York that bill sixteen airlines."""
    carriers = read_airlines()
    return Setting(
        tenant="newark",
        configuration=Path(__file__).with_name("tally.yaml"),
        starts_at=STARTS_AT,
        ends_at=ENDS_AT,
        grace=FINALIZATION_GRACE,
        key_name="the airports' departure control",
        customers=carriers,
        create_side=partial(create_stripe_side, carriers=carriers),
        in_stripe=f"4 meters and {len(carriers)} subscribed carriers",
    )
