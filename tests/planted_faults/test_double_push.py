"""Planted: a delta that Stripe counts twice, because it came a second time under another identifier."""

from small_month import COUNTED, Month


def test_a_second_push_under_another_identifier_is_found_on_its_line(month: Month) -> None:
    month.push()
    [(identifier, value, at)] = month.connection.execute(
        "select identifier, value, event_ts from tally.push_intents"
        " where customer_ref = 'initech' and metric = 'minutes'"
    ).fetchall()
    month.stripe.send(month.customers["initech"], "minutes", str(value), at, f"{identifier}-again")
    assert month.findings() == {("initech", "minutes", "break", "double count")}
    broken = next(line for line in month.reconcile() if line.verdict == "break")
    assert broken.stripe_quantity == 2 * COUNTED["initech", "minutes"]
    assert broken.sent_quantity == COUNTED["initech", "minutes"]


def test_everything_pushed_twice_is_found_on_every_line(month: Month) -> None:
    """As if a copy of the database had pushed too, with a ledger of its own."""
    month.push()
    rows = month.connection.execute(
        "select stripe_customer_id, event_name, value, event_ts, identifier from tally.push_intents"
    ).fetchall()
    for customer, event_name, value, at, identifier in rows:
        month.stripe.send(customer, event_name, str(value), at, f"copy-{identifier}")
    assert month.findings() == {(customer, metric, "break", "double count") for customer, metric in COUNTED}
