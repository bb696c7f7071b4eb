"""A customer is forgotten, and everything that was billed stays proven: the whole database before and after."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

import psycopg
import pytest
from billed_month import ARCHIVED, BILLED, JANE, METERS, MONTH, OTHER, PERSONAL, TENANT, BilledMonth, land
from typer.testing import CliRunner
from whole_database import everything, holding, rows_of

from tally.cli.app import app
from tally.cli.proof_tree import proof_tree
from tally.database import connect
from tally.erasure import Person, erase, erase_repeats
from tally.explain import subject_meant
from tally.proof import Proof, lines_of_counter, prove
from tally.proof.facts import fingerprint
from tally.reconciliation.check import Scope, check
from tally.replay import Replays, Request
from tally.reports.keeping import make_report
from tally.reports.kept import read_kept
from tally.retention import reattach
from tally.settings import load_settings
from tally.stripe.sync import sync_subscriptions

_NUMBERS = {
    "counters": "select metric, period_start, event_count, quantity_sum, value from marts.usage_counters"
    " where customer_ref = %(customer)s order by 1, 2",
    "deliveries": "select metric, deliveries, events, duplicates, conflicts, late_events from marts.usage_deliveries"
    " where customer_ref = %(customer)s order by 1",
    "hours": "select metric, hour_start, sum(event_count), sum(quantity_sum), count(*) from marts.usage_hourly"
    " where customer_ref = %(customer)s group by 1, 2 order by 1, 2",
    "lines": "select metric, verdict, local_quantity, sent_quantity, stripe_quantity, invoice_quantity, invoice_amount"
    " from marts.reconciliation_lines where customer_ref = %(customer)s order by 1",
    "dimensions": "select metric, dimensions ? 'team', dimensions ->> 'region' = 'eu', count(*)"
    " from ledger.int_usage_events_deduplicated where customer_ref = %(customer)s group by 1, 2, 3 order by 1, 2, 3",
    "outcomes": "select idempotency_key, outcome, quantity, payload_hash from ledger.int_usage_events_deduplicated"
    " where customer_ref = %(customer)s order by 1",
}  # fmt: skip


@dataclass
class Erased:
    """The month after the erasure, what was known before it, and what the command said."""

    month: BilledMonth
    pseudonym: str
    numbers: dict[str, list[tuple[Any, ...]]]
    others: dict[str, list[str]]
    proofs: dict[str, Proof]
    shown: dict[str, Any]
    said: dict[str, Any]


def numbers(month: BilledMonth, customer: str) -> dict[str, list[tuple[Any, ...]]]:
    return {name: month.rows(query, customer=customer) for name, query in _NUMBERS.items()}


def proofs(month: BilledMonth, customer: str) -> dict[str, Proof]:
    subjects = [subject_meant(month.connection, TENANT, customer, metric, "2024-03", BILLED) for metric in METERS]
    lines = [line for subject in subjects for line in lines_of_counter(month.connection, subject)]
    return {proof.chain.line.metric: proof for proof in prove(month.connection, lines, BILLED)}


def failed_tests(month: BilledMonth) -> list[str]:
    return sorted(result.name for result in month.ledger.test("models/intermediate", "models/marts") if result.failures)


def kill_in_the_middle(month: BilledMonth) -> None:
    """The erasure's backend dies while it waits for a row behind most of what it has to change."""
    person = Person(TENANT, JANE)
    with connect(month.url) as holder, connect(month.url, autocommit=True) as victim, ThreadPoolExecutor() as threads:
        holder.execute("select from tally.stripe_totals where customer_ref = %s for update", (JANE,))
        dying = threads.submit(erase, victim, person, "ada", "asked to", month.clock.at, forced=True)
        waits = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
        while month.connection.execute(waits, (victim.info.backend_pid,)).fetchone() != (True,):
            assert not dying.done(), dying.exception()
        month.connection.execute("select pg_terminate_backend(%s)", (victim.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            dying.result()


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["erase", *arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout if code == 0 else done.stdout + str(done.exception)


@pytest.fixture(scope="module")
def erased(month: BilledMonth) -> Iterator[Erased]:
    """Killed once, refused for the wrong hash, then erased by the hash of what was shown."""
    month.connection.execute("insert into tally.simulated_clock (now) values (%s)", (month.clock.at,))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in (("DATABASE_URL", month.url), ("TALLY_HOME", str(month.home)), ("TALLY_CLOCK", "simulated")):
            environment.setenv(name, value)
        load_settings.cache_clear()
        (month.home / "report.csv").write_text(f"customer,metric\n{JANE},calls\n")
        before, found, others = numbers(month, JANE), proofs(month, JANE), rows_of(month.connection, OTHER)
        whole = everything(month.connection)
        kill_in_the_middle(month)
        shown = json.loads(run(JANE, "--dry-run", "--json"))
        assert "not over yet: 1 subscriptions" in run(JANE, "--yes", "--reason", "asked to", code=1)
        assert "not what was shown" in run(JANE, "--force", "--hash", "0" * 64, "--reason", "asked to", code=1)
        assert "names the customer" in run(JANE, "--force", "--yes", "--reason", f"{JANE} asked", code=1)
        assert everything(month.connection) == whole
        said = json.loads(
            run(JANE, "--force", "--hash", shown["hash"], "--by", "ada", "--reason", "GDPR art. 17", "--json")
        )["erased"]
        yield Erased(month, said["pseudonym"], before, others, found, shown, said)
    load_settings.cache_clear()


def test_nothing_in_the_database_names_the_person_any_more(erased: Erased) -> None:
    """Stripe still does: it is read again, reconciled and reported, and does not bring the name back."""
    month = erased.month
    month.clock.at += timedelta(hours=1)
    sync_subscriptions(month.connection, month.stripe.account, TENANT, month.clock)
    check(month.connection, [month.stripe.account], TENANT, month.clock, Scope(MONTH, everything=True))
    make_report(month.connection, TENANT, month.clock, MONTH)
    for word in (JANE, "Jane Doe", *PERSONAL):
        assert holding(month.connection, word) == set(), word
    assert erased.said["mentions"] == []
    assert sum(erased.said["rows"].values()) == sum(each["rows"] for each in erased.shown["rows"])


def test_what_was_shown_names_what_lies_outside(erased: Erased) -> None:
    outside = erased.shown["outside"]
    assert {each["kind"] for each in outside["stripe"]} == {"customer", "subscription", "invoice"}
    assert [file.rsplit("/", 1)[-1] for file in outside["files"]] == ["report.csv"]
    [(by, reason, rows)] = erased.month.rows("select erased_by, reason, rows from tally.erasures")
    assert (by, reason, rows) == ("ada", "GDPR art. 17", erased.said["rows"])


def test_every_number_is_as_it_was_and_others_are_untouched(erased: Erased) -> None:
    now = numbers(erased.month, erased.pseudonym)
    assert now == erased.numbers
    assert [verdict for _, verdict, *_ in now["lines"]] == ["ok"] * len(METERS)
    kept = {relation: rows for relation, rows in erased.others.items() if not _is_reread(relation)}
    now_of_others = rows_of(erased.month.connection, OTHER)
    assert {relation: now_of_others[relation] for relation in kept} == kept
    assert any(kept.values())


def _is_reread(relation: str) -> bool:
    """Tables that a test above had read from Stripe again, with the time of the reading."""
    return relation.rsplit(".", 1)[-1] in {"stripe_subscription_items", "stripe_totals", "priced_lines"}


def test_lines_are_still_proven_and_proofs_say_that_the_customer_was_erased(erased: Erased) -> None:
    found = proofs(erased.month, erased.pseudonym)
    assert {metric: proof.differences for metric, proof in found.items()} == {metric: [] for metric in METERS}
    for metric, proof in found.items():
        before = erased.proofs[metric].chain
        assert proof.chain.events.sha256 == before.events.sha256
        assert [each.fingerprint for each in proof.chain.proofs] == [each.fingerprint for each in before.proofs]
        assert "erased on 2024-04-06" in str(_labels(proof))
    # Who was told the fingerprint and still knows the name can hold both against the row.
    [row] = erased.month.connection.execute(
        "select to_jsonb(proof) from tally.invoice_line_proofs as proof where customer_ref = %s and metric = 'calls'",
        (erased.pseudonym,),
    ).fetchall()
    [kept] = found["calls"].chain.proofs
    told = {name: value for name, value in row[0].items() if name not in ("fingerprint", "erased_fingerprint")}
    told |= {"customer_ref": JANE, "period_start": found["calls"].chain.line.period_start.astimezone(UTC)}
    assert fingerprint({**told, "recorded_at": kept.recorded_at}) == kept.fingerprint


def _labels(proof: Proof) -> list[str]:
    return [str(branch.label) for branch in proof_tree(proof, 3).children]


@pytest.mark.parametrize(
    "tamper",
    [
        "update raw.usage_events set quantity = 2, payload_hash = null where idempotency_key = 'j-13-g'",
        "update raw.usage_events set properties = '{\"gb\": 1}' where idempotency_key = 'j-13-g'",
        "update tally.invoice_line_proofs set facts = facts || '{\"value\": \"9\"}' where metric = 'gigabytes'",
        "update tally.push_intents set customer_ref = 'somebody' where customer_ref like 'erased-%' and seq = 1",
    ],
)
def test_a_change_of_what_is_left_is_still_found(erased: Erased, tamper: str) -> None:
    month = erased.month
    with month.connection.transaction(force_rollback=True):
        month.connection.execute("set transaction isolation level repeatable read")
        month.connection.execute("set local session_replication_role = replica")
        month.connection.execute(tamper.encode())
        assert proofs(month, erased.pseudonym)["gigabytes"].verdict == "differs"
    with pytest.raises(psycopg.errors.RaiseException):  # the erasure is over: its door is closed again
        month.connection.execute(
            "update tally.push_intents set customer_ref = %s where customer_ref = %s", (erased.pseudonym, OTHER)
        )


def test_reports_are_read_back_under_the_pseudonym(erased: Erased) -> None:
    runs = [run_id for (run_id,) in erased.month.rows("select run_id from tally.report_runs order by run_id")]
    assert len(runs) >= 2
    for run_id in runs:
        report = read_kept(erased.month.connection, TENANT, run_id)
        assert {line.customer_ref for line in report.lines} == {erased.pseudonym, OTHER}


def test_a_retry_is_still_a_repeat_and_is_erased_too(erased: Erased) -> None:
    month = erased.month
    later = {"landed_at": BILLED + timedelta(days=1)}
    land(month.connection, "j-12-g", JANE, "gigabytes", 12, properties='{"gb": 12.50, "file": "jane-laptop"}', **later)
    land(month.connection, "j-13-d", JANE, "devices", 13, properties='{"team": "jane-team", "device": "jane-laptop"}',
         **later)  # fmt: skip
    month.ledger.tick()
    before = {metric: rest for metric, *rest in erased.numbers["deliveries"]}
    now = {metric: rest for metric, *rest in numbers(month, erased.pseudonym)["deliveries"]}
    for metric, repeats in (("calls", 0), ("gigabytes", 1), ("devices", 1)):
        deliveries, events, duplicates, *others = before[metric]
        assert now[metric] == [deliveries + repeats, events, duplicates + repeats, *others]
    assert numbers(month, erased.pseudonym)["counters"] == erased.numbers["counters"]
    assert holding(month.connection, JANE) != set()
    assert erase_repeats(month.connection, TENANT) == 2
    assert {word: holding(month.connection, word) for word in (JANE, *PERSONAL)} == {
        word: set() for word in (JANE, *PERSONAL)
    }
    assert failed_tests(month) == []
    assert {proof.verdict for proof in proofs(month, erased.pseudonym).values()} == {"proven"}


def test_counting_again_gives_the_same(erased: Erased) -> None:
    """From what is left of the landed rows: by a replay, and by a ledger that is made anew."""
    month = erased.month
    replays = Replays(month.url, month.clock, month.ledger.tick)
    assert replays.show(Request(TENANT, closed=True, since="2024-03-01T00:00:00Z", until="now"), "ada").changes == []
    reattach(month.connection, ARCHIVED)
    month.ledger.refresh()
    now = numbers(month, erased.pseudonym)
    assert {name: now[name] for name in now if name != "deliveries"} == {
        name: erased.numbers[name] for name in now if name != "deliveries"
    }
    assert {proof.verdict for proof in proofs(month, erased.pseudonym).values()} == {"proven"}
    assert run(JANE, "--yes", "--by", "ada", "--reason", "again").startswith("nothing of customer")
