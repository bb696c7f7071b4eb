"""What is applied is what was shown, or nothing; and who asks for what is not there is told so."""

from decimal import Decimal

import psycopg
import pytest
from landing import JANUARY, contents, land, value
from world import on, reverse

from tally.database import connect
from tally.ledger import Ledger
from tally.replay import ReplayBusy, ReplayChanged, ReplayRefused, Replays, Request, UnknownHash

NEWARK = Request("newark")


def test_usage_that_goes_on_does_not_change_the_hash(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    land(database, [on(5, "a", 5), on(6, "b", 7)])
    ledger.tick()
    reverse(database, "b")
    shown = replays.show(NEWARK, "ann")
    land(database, [on(7, "c", 11)])
    ledger.tick()
    assert replays.apply("newark", shown.hash, "bob").applied_by == "bob"
    assert value(database) == Decimal(16)
    again = contents(database)
    assert replays.apply("newark", shown.hash, "bob").state == "applied"
    assert contents(database) == again


def test_another_difference_than_the_shown_one_is_refused_and_shown(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    land(database, [on(5, "a", 5), on(6, "b", 7)])
    ledger.tick()
    reverse(database, "b")
    shown = replays.show(NEWARK, "ann")
    reverse(database, "a")
    before = contents(database)
    with pytest.raises(ReplayChanged, match="nothing changed") as changed:
        replays.apply("newark", shown.hash, "ann")
    assert contents(database) == before
    assert changed.value.shown.changes[0].delta == Decimal(-12)
    states = database.execute("select hash, state from tally.replays").fetchall()
    assert set(states) == {(shown.hash, "refused"), (changed.value.shown.hash, "shown")}
    replays.apply("newark", changed.value.shown.hash, "ann")
    assert value(database) is None


def test_what_it_would_push_is_told_from_the_push_ledger(
    replays: Replays, ledger: Ledger, database: psycopg.Connection
) -> None:
    land(database, [on(5, "a", 5), on(6, "b", 7)])
    ledger.tick()
    reverse(database, "b")
    (unmapped,) = replays.show(NEWARK, "ann").changes
    assert (unmapped.told, unmapped.would_push) == (None, None)
    database.execute("insert into tally.price_mappings values ('newark', 'sum', 'sum')")
    database.execute(
        """
        insert into tally.push_intents (
            tenant_id, account, livemode, customer_ref, metric, period_start, period_end, seq, value, counter_value,
            event_name, stripe_customer_id, event_ts, identifier, state, planned_at
        )
        values (
            'newark', 'self', false, 'UA', 'sum', %s, %s, 1, 12, 12, 'sum', 'cus_1', now(), 'tl1.x', 'confirmed', now()
        )
        """,
        JANUARY,
    )
    (mapped,) = replays.show(NEWARK, "ann").changes
    assert (mapped.told, mapped.would_push) == (Decimal(12), Decimal(-7))


def test_a_request_that_names_nothing_known_is_refused(
    replays: Replays, ledger: Ledger, database: psycopg.Connection, built_database_url: str
) -> None:
    ledger.tick()
    for request, field in (
        (Request("newark", metrics=("sums",)), "metric"),
        (Request("newark", keys=("x",)), "key"),
        (Request("newark", since="yesterday"), "since"),
        (Request("newark", until="2013-01-01T00:00:00"), "until"),
        (Request("newark", since="now", until="-PT1H"), "since"),
    ):
        with pytest.raises(ReplayRefused, match=f"^{field}: "):
            replays.show(request, "ann")
    with pytest.raises(UnknownHash):
        replays.apply("newark", "0" * 64, "ann")
    with connect(built_database_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtextextended('tally.replay newark', 0))")
        with pytest.raises(ReplayBusy):
            replays.show(NEWARK, "ann")
