"""The verdict finds what is planted, and only that: one violation each makes `make chaos` exit 1."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.cast import Event
from tests.chaos.evidence import Evidence, Intent
from tests.chaos.outcome import Outcome, Raised, Recovery
from tests.chaos.show import finish, table
from tests.chaos.verdict import Verdict, judge

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
CALLS, JOBS, SEATS = ("globex", "api_calls"), ("globex", "jobs"), ("globex", "peak_seats")
EVENTS = [
    Event("a", *CALLS, Decimal("1.5")),
    Event("b", *CALLS, Decimal("2")),
    Event("c", *JOBS, Decimal(9)),
    Event("d", *SEATS, Decimal(7)),
    Event("e", *SEATS, Decimal(4)),
]
RAISED = Raised("door_down", "door", NOON + timedelta(seconds=5), NOON + timedelta(seconds=30), "evaluation")
OUTCOME = Outcome("door", "kill -9", "door_down", NOON, NOON, NOON, Recovery(1.0, 2.0, 3.0, 0), RAISED)


@pytest.fixture
def clean() -> Evidence:
    """A day on which all went well: two deltas made the sum, one each the others, one was cancelled."""
    intents = [("i1", CALLS, "1.5"), ("i2", CALLS, "2"), ("i3", JOBS, "1"), ("i4", SEATS, "7")]
    values = {CALLS: (Decimal("3.50"), 2), JOBS: (Decimal(1), 1), SEATS: (Decimal(7), 2)}
    return Evidence(
        acknowledged={event.key: event for event in EVENTS},
        landed=frozenset((event.key, *event.counter, event.quantity) for event in EVENTS),
        counted={event.key: 1 for event in EVENTS},
        counters=values,
        intents=[
            *(Intent(name, counter, Decimal(value), "confirmed") for name, counter, value in intents),
            Intent("i5", JOBS, Decimal(5), "cancelled"),
        ],
        applied={name: 1 for name, *_ in intents},
        stripe={counter: value for counter, (value, _) in values.items()},
        parity=dict.fromkeys(values, "ok"),
        outcomes=[OUTCOME],
    )


def ended(verdict: Verdict, outcomes: list[Outcome], folder: Path) -> tuple[int, str]:
    """The exit code, and what is printed."""
    said = StringIO()
    console = Console(file=said, width=200)
    console.print(table(outcomes))
    return finish(console, folder / "chaos.json", verdict, outcomes, {}), said.getvalue()


def test_a_clean_day_exits_0(clean: Evidence, tmp_path: Path) -> None:
    verdict = judge(clean)
    assert verdict.violations == []
    code, said = ended(verdict, [OUTCOME], tmp_path)
    assert code == 0
    assert "5 events acknowledged, 5 counted once, missing 0; 4 deltas sent, applied twice 0; 1 of 1 alerts" in said
    assert '"violations": []' in (tmp_path / "chaos.json").read_text()


def _outcome(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda day: replace(day, outcomes=[replace(OUTCOME, **changes)])  # type: ignore[arg-type]


PLANTED: dict[str, tuple[Callable[[Evidence], Evidence], str]] = {
    "an acknowledged event that never landed": (
        lambda day: replace(day, landed=day.landed - {("b", *CALLS, Decimal(2))}),
        "1 acknowledged events did not land: b",
    ),
    "a row with another quantity": (
        lambda day: replace(day, landed=day.landed | {("b", *CALLS, Decimal(3))}),
        "1 landed events were never sent so: b",
    ),
    "an event that was not counted": (
        lambda day: replace(day, counted=dict.fromkeys("abde", 1)),
        "1 acknowledged events were not counted: c",
    ),
    "an event counted twice": (
        lambda day: replace(day, counted={**day.counted, "c": 2}),
        "1 events were counted more than once: c",
    ),
    "a counter that is too high, and told so": (
        lambda day: replace(
            day, counters={**day.counters, JOBS: (Decimal(2), 2)}, stripe={**day.stripe, JOBS: Decimal(2)}
        ),
        "counter globex jobs is 2 of 2 events, by the load's record 1 of 1 events",
    ),
    "a delta that Stripe applied twice": (
        lambda day: replace(day, applied={**day.applied, "i2": 2}),
        "delta 2 of globex api_calls (confirmed, i2) was applied 2 times",
    ),
    "a confirmed delta that never arrived": (
        lambda day: replace(day, applied={**day.applied, "i4": 0}),
        "delta 7 of globex peak_seats (confirmed, i4) is confirmed and Stripe never counted it",
    ),
    "a cancelled delta that arrived": (
        lambda day: replace(day, applied={**day.applied, "i5": 1}),
        "delta 5 of globex jobs (cancelled, i5) is taken for not sent and Stripe counted it",
    ),
    "a delta that was never sent": (
        lambda day: replace(day, stripe={**day.stripe, SEATS: Decimal(4)}),
        "globex peak_seats is 7, Stripe counted 4",
    ),
    "a delta that is still open": (
        lambda day: replace(day, intents=[*day.intents, Intent("i6", JOBS, Decimal(1), "unknown")]),
        "delta 1 of globex jobs (unknown, i6) is still open, although everything works again",
    ),
    "a delta that no ledger knows": (
        lambda day: replace(day, applied={**day.applied, "i9": 1}),
        "1 deltas that arrived at Stripe are in no ledger: i9",
    ),
    "a counter without a line": (
        lambda day: replace(day, parity={JOBS: "ok", CALLS: "ok"}),
        "parity of globex peak_seats: no line",
    ),
    "a break": (lambda day: replace(day, parity={**day.parity, JOBS: "break"}), "parity of globex jobs: break"),
    "a request that nobody took": (
        lambda day: replace(day, unacknowledged=1),
        "1 requests were never acknowledged, although everything works again",
    ),
    "an alert that was not raised": (_outcome(alert=None), "door: no alert door_down was raised"),
    "an alert that stayed": (
        _outcome(alert=replace(RAISED, resolved_at=None)),
        "door: the alert door_down door did not resolve",
    ),
    "a fault that could not be made": (_outcome(failure="a run was not seen"), "door: a run was not seen"),
    "a stack that stayed down": (
        _outcome(recovery=Recovery(1.0, None, None, 0)),
        "door: the stack did not come back in time: taken after 1 s, counted never, sent never",
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_violation_is_found_and_exits_1(planted: str, clean: Evidence, tmp_path: Path) -> None:
    plant, violation = PLANTED[planted]
    day = plant(clean)
    verdict = judge(day)
    assert verdict.violations == [violation]
    code, said = ended(verdict, list(day.outcomes), tmp_path)
    assert code == 1
    assert violation in said
    assert "violations 1" in said


def test_a_day_without_events_proves_nothing(clean: Evidence) -> None:
    empty = Evidence({}, frozenset(), {}, {}, [], {}, {}, {}, [OUTCOME])
    assert judge(empty).violations == ["nothing was acknowledged: the day proves nothing"]
