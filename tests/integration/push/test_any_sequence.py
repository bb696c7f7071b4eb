"""Whatever a counter does and however Stripe answers: what Stripe counted is the counter's last value."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from push_billing import Billing

VALUES = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=3)
TROUBLE = st.sampled_from([None, None, "drop", "truncated", "fail_500", "apply_then_500", "conflict", "html_502"])


# One database for all examples: each goes on from the counter that the one before it left.
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(VALUES, TROUBLE), min_size=1, max_size=5))
def test_the_sum_of_what_stripe_took_is_the_last_value(
    billing: Billing, steps: list[tuple[Decimal, str | None]]
) -> None:
    for value, trouble in steps:
        billing.count("globex", "peak_load", value)
        if trouble is not None:
            billing.stripe.fail(trouble)
        billing.push(patience=timedelta(seconds=0.2))
    billing.stripe.heal()
    billing.deliver()
    assert billing.push().left == {}
    assert billing.applied("globex", "peak_load") == steps[-1][0]
    assert set(billing.stripe.arrivals().values()) <= {1}
    told = "select told_quantity from tally.push_ledger where metric = 'peak_load'"
    assert billing.one("select count(*) from tally.push_ledger") == 0 or billing.one(told) == steps[-1][0]
