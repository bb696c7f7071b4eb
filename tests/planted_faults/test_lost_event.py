"""Planted: an event that was delivered but is not counted, and one that vanished after it was pushed."""

from small_month import TENANT, Month


def test_an_event_that_was_never_counted_is_found_on_its_line(month: Month) -> None:
    """The counter forgot one of globex's calls before it was pushed: all of Stripe agrees with the wrong number."""
    month.connection.execute(
        "update ledger.int_usage_counters"
        " set event_count = event_count - 1, quantity_sum = quantity_sum - 1"
        " where tenant_id = %s and customer_ref = 'globex' and metric = 'calls'",
        (TENANT,),
    )
    month.push()
    assert month.findings() == {("globex", "calls", "break", "lost event")}
    month.ledger.refresh()
    assert month.findings() == {("globex", "calls", "break", "unsent delta")}
    month.push()
    assert month.findings() == set()


def test_an_event_that_vanished_after_its_push_is_found_on_its_line(month: Month) -> None:
    month.push()
    assert month.findings() == set()
    month.connection.execute("delete from raw.usage_events where idempotency_key = 'initech-minutes-2'")
    month.ledger.refresh()
    assert month.findings() == {("initech", "minutes", "break", "unsent delta")}
    broken = next(line for line in month.reconcile() if line.verdict == "break")
    assert broken.cause == "unsent delta: counted 700, told 1000"
    month.push()
    assert month.findings() == set()


def test_one_event_less_that_changes_no_maximum_is_still_found(month: Month) -> None:
    """Quantities alone cannot show it: the maximum is the same without it."""
    month.push()
    month.connection.execute(
        "update ledger.int_usage_counters set event_count = event_count - 1"
        " where tenant_id = %s and customer_ref = 'globex' and metric = 'peak'",
        (TENANT,),
    )
    assert month.findings() == {("globex", "peak", "break", "lost event")}
