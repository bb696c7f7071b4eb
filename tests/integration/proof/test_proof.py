"""Every final line is proven and its proof kept; any change of what it stands on is found, by name."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
import pytest
from final_month import BILLED, LINES, MONTH, TENANT, FinalMonth, land
from tampering import TAMPERED

from tally.explain import subject_meant
from tally.proof import BilledLine, NothingToProve, Priced, Proof, lines_named, lines_of_counter, prove, record
from tally.proof.recording import record_final_lines


@pytest.fixture(scope="module")
def kept(month: FinalMonth) -> FinalMonth:
    """The month, its final lines proven and recorded; one of them only after its amount was read again."""
    with month.connection.transaction():
        month.connection.execute("set local session_replication_role = replica")
        month.connection.execute("delete from tally.invoice_line_proofs")
    misread = "update tally.stripe_totals set invoice_amount = invoice_amount + %s where customer_ref = 'initech'"
    misread += " and metric = 'calls'"
    month.connection.execute(misread.encode(), (1,))
    for _ in range(2):
        final = record_final_lines(month.connection, TENANT, month.clock, MONTH)
        assert {each.chain.line.metric: each.faults for each in final.unproven} == {
            "calls": ["the amount on the invoice, in minor units: 61, must be 60"]
        }
    month.connection.execute(misread.encode(), (-1,))
    final = record_final_lines(month.connection, TENANT, month.clock, MONTH)
    assert (len(final.proofs), final.unproven) == (1, ())
    return month


@contextmanager
def changed(month: FinalMonth, tamper: LiteralString) -> Iterator[None]:
    """The block sees what `tamper` did; then it never happened. No trigger holds it up."""
    with month.connection.transaction(force_rollback=True):
        month.connection.execute("set transaction isolation level repeatable read")
        month.connection.execute("set local session_replication_role = replica")
        month.connection.execute(tamper)
        yield


def line(month: FinalMonth, customer: str = "globex", metric: str = "minutes") -> BilledLine:
    subject = subject_meant(month.connection, TENANT, customer, metric, "2024-03", BILLED)
    [found] = lines_of_counter(month.connection, subject)
    return found


def proof(month: FinalMonth, customer: str = "globex", metric: str = "minutes") -> Proof:
    [found] = prove(month.connection, [line(month, customer, metric)], BILLED)
    return found


def test_a_final_line_is_proven_from_its_amount_to_its_events(kept: FinalMonth) -> None:
    found = proof(kept)
    chain = found.chain
    assert (found.verdict, found.differences) == ("proven", [])
    assert (chain.line.invoice_status, chain.line.invoice_quantity) == ("open", Decimal("143.5"))
    assert (chain.events.count, chain.events.quantity_sum) == (6, Decimal("143.5"))
    assert (chain.events.left_out, chain.others.repeats) == ({"late": 1}, 1)
    assert [(each.value, each.state) for each in chain.intents] == [(Decimal("71.75"), "confirmed")] * 2
    assert all(each.request_ids for each in chain.intents)
    # 100 × 12.5 and 43.5 × 8.375 = 364.3125 cents, each tier a line of its own.
    assert isinstance(chain.price, Priced)
    assert (chain.price.amounts, chain.line.invoice_amount) == ((1250, 364), Decimal(1614))
    assert [(each.recorded_by, each.differences, each.is_unchanged) for each in chain.proofs] == [("tally", [], True)]


def test_the_hash_is_what_plain_sql_and_a_person_make_of_it(kept: FinalMonth) -> None:
    """docs/proof.md gives this statement."""
    rows = kept.connection.execute(
        "select idempotency_key, payload_hash::text from ledger.int_usage_events_deduplicated"
        " where customer_ref = 'globex' and metric = 'minutes' and outcome = 'counted' and period_start < '2024-04-01'"
        " order by event_time, landed_at, seq"
    ).fetchall()
    text = "".join(f"{payload.replace('-', '')}{len(key.encode())}:{key}" for key, payload in rows)
    assert proof(kept).chain.events.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_lines_together_are_proven_as_each_alone(kept: FinalMonth) -> None:
    lines = [line(kept, *each) for each in sorted(LINES)]
    together = prove(kept.connection, lines, BILLED)
    assert [each.verdict for each in together] == ["proven"] * len(LINES)
    for each, alone in zip(together, (prove(kept.connection, [one], BILLED)[0] for one in lines), strict=True):
        assert each.chain == alone.chain


@pytest.mark.parametrize("what", TAMPERED)
def test_a_change_is_found_by_name(kept: FinalMonth, what: str) -> None:
    tamper, says = TAMPERED[what]
    with changed(kept, tamper):
        found = proof(kept)
        assert found.verdict == "differs"
        assert [sentence for sentence in found.differences if says in sentence], found.differences
    assert proof(kept).verdict == "proven"


def test_a_change_that_everything_follows_is_still_found(kept: FinalMonth) -> None:
    """Landed row and ledger agree with each other: only the kept hash knows better, and the new event is named."""
    with changed(kept, "select"):
        land(kept.connection, "planted", "globex", "minutes", "0", 9)
        kept.connection.execute(
            "insert into ledger.int_usage_events_deduplicated"
            " select period_start, period_end, closes_at, landed.event_time, landed.landed_at, landed.seq, landed.xid,"
            " landed.payload_hash, landed.quantity, event.tenant_id, landed.idempotency_key, event.customer_ref,"
            " event.metric, outcome, member, dimensions"
            " from ledger.int_usage_events_deduplicated as event, staging.stg_usage_events as landed"
            " where event.idempotency_key = 'globex-1-1-m' and landed.idempotency_key = 'planted'"
        )
        kept.connection.execute(
            "update tally.model_bounds set read_to = pg_current_xact_id()::text::bigint::text::xid8"
        )
        kept.connection.execute(
            "update tally.model_bounds set read_to = (pg_current_xact_id()::text::bigint + 1)::text::xid8"
        )
        kept.connection.execute(
            "update ledger.int_usage_counters set event_count = 7 where customer_ref = 'globex' and metric = 'minutes'"
        )
        found = proof(kept)
        assert found.faults == []
        assert "event planted: it was counted after the line was proven" in found.differences
        assert "event_count: proven 6, now 7" in found.differences


def test_a_line_that_bills_several_segments_bills_them_together(kept: FinalMonth) -> None:
    """Stripe makes one line of a period whose price stayed, whatever it was cut into."""
    longer: LiteralString = (
        "update tally.stripe_totals set invoice_ends_at = '2024-05-01' where customer_ref = 'initech'"
    )
    with changed(kept, longer):
        kept.connection.execute(
            "insert into tally.adjustments (tenant_id, customer_ref, metric, amount, reason, state, period_start,"
            " period_end, booked_start, booked_end, created_at, created_by, decided_at, decided_by)"
            " select 'acme', 'initech', 'calls', 4, 'goodwill', 'approved', starts, ends, starts, ends, ends, 'x',"
            " ends, 'x'"
            " from (values (timestamptz '2024-04-01 05:00Z', timestamptz '2024-05-01 05:00Z')) as april (starts, ends)"
        )
        found = proof(kept, "initech", "calls")
        assert (found.chain.value, found.chain.together.counters, found.chain.together.value) == (6, 2, 10)
        assert found.faults == [
            "the quantity on the invoice: 6, must be 10",
            "the amount on the invoice, in minor units: 60, must be 100",
        ]


def test_what_is_not_known_proves_nothing(kept: FinalMonth) -> None:
    unknown: list[tuple[LiteralString, str]] = [
        ("update tally.stripe_totals set summary_quantity = null", "what Stripe's meter adds up to: not known"),
        ("delete from tally.stripe_prices", "the amount on the invoice (price price_"),
        ("update tally.stripe_totals set invoice_quantity = null", "the quantity on the invoice: not known"),
    ]
    for tamper, says in unknown:
        with changed(kept, tamper):
            found = proof(kept)
            assert found.verdict != "proven"
            assert [sentence for sentence in found.faults if says in sentence], found.faults


def test_archived_days_are_said_and_not_failed(kept: FinalMonth) -> None:
    with changed(kept, "insert into tally.detached_days values ('2024-03-03', 'archive.x', 0, now())"):
        kept.connection.execute("delete from raw.usage_events where landed_at::date = '2024-03-03'")
        found = proof(kept)
        assert (found.verdict, found.chain.events.archived, found.chain.events.count) == ("proven", 1, 6)
        # A row that is gone from another day is still missed.
        kept.connection.execute("delete from raw.usage_events where idempotency_key = 'globex-12-0-m'")
        assert "event globex-12-0-m: its landed row is gone" in proof(kept).differences


def test_a_proof_is_kept_once_and_never_edited(kept: FinalMonth) -> None:
    assert record_final_lines(kept.connection, TENANT, kept.clock, MONTH).proofs == ()
    for edit in ("update tally.invoice_line_proofs set recorded_by = 'x'", "delete from tally.invoice_line_proofs"):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            kept.connection.execute(edit)


def test_a_line_that_did_not_agree_was_kept_as_such_until_it_did(kept: FinalMonth) -> None:
    proofs = proof(kept, "initech", "calls").chain.proofs
    assert [each.differences for each in proofs] == [["the amount on the invoice, in minor units: 61, must be 60"], []]


def test_names_lead_to_lines(kept: FinalMonth) -> None:
    one = line(kept)
    assert len(one.line_ids) == 2
    assert lines_named(kept.connection, TENANT, one.line_ids[1]) == [one]
    assert one.invoice_id is not None
    invoice = lines_named(kept.connection, TENANT, one.invoice_id)
    assert {(each.customer_ref, each.metric) for each in invoice} == {each for each in LINES if each[0] == "globex"}
    with pytest.raises(NothingToProve, match="il_nobody: no invoice line or invoice"):
        lines_named(kept.connection, TENANT, "il_nobody")


def facts(found: Any) -> Any:
    return found.chain.proofs[-1].facts


def test_a_person_may_keep_another_proof(kept: FinalMonth) -> None:
    before = proof(kept, "initech", "seats")
    assert record(kept.connection, before, "ada", BILLED)
    after = proof(kept, "initech", "seats")
    assert [(each.number, each.recorded_by) for each in after.chain.proofs] == [(1, "tally"), (2, "ada")]
    assert facts(after) == after.chain.proofs[0].facts
    assert not record(kept.connection, before, "grace", BILLED)
