"""What must hold when the day is over: plain arithmetic over what each side wrote down. No I/O."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tests.chaos.cast import METRICS, Counter, Event
from tests.chaos.evidence import Evidence

# Intents of which Stripe was told nothing.
_VOID = {"refused", "missing", "cancelled", "rejected"}
_MOST_NAMED = 5


@dataclass
class Verdict:
    """`violations` in words, empty when all is well; the rest are the numbers of the last line."""

    acknowledged: int
    counted: int
    sent: int
    applied_twice: int
    missing: int
    alerts: int
    faults: int
    violations: list[str] = field(default_factory=list)

    def last_line(self) -> str:
        """The day in a line."""
        return (
            f"{self.acknowledged:,} events acknowledged, {self.counted:,} counted once, missing {self.missing}; "
            f"{self.sent:,} deltas sent, applied twice {self.applied_twice}; "
            f"{self.alerts} of {self.faults} alerts raised and resolved; violations {len(self.violations)}"
        )


def judge(evidence: Evidence) -> Verdict:
    """Hold every side against the load's own record, exactly."""
    times = [evidence.applied.get(intent.identifier, 0) for intent in evidence.intents]
    verdict = Verdict(
        acknowledged=len(evidence.acknowledged),
        counted=sum(evidence.counted.get(key) == 1 for key in evidence.acknowledged),
        sent=times.count(1),
        applied_twice=sum(applied > 1 for applied in times),
        missing=len(evidence.acknowledged.keys() - evidence.counted.keys()),
        alerts=sum(not list(outcome.alert_faults()) for outcome in evidence.outcomes),
        faults=len(evidence.outcomes),
    )
    checks = (_taken, _counted, _sent, _agreed, _suffered)
    verdict.violations = [violation for check in checks for violation in check(evidence)]
    return verdict


def sums(events: Iterable[Event]) -> dict[Counter, tuple[Decimal, int]]:
    """What the counters over these events are worth, and how many events they have: the second route to each number."""
    quantities: dict[Counter, list[Decimal]] = defaultdict(list)
    for event in events:
        quantities[event.counter].append(event.quantity)
    return {counter: (_worth(METRICS[counter[1]], values), len(values)) for counter, values in quantities.items()}


def _worth(aggregation: str, quantities: list[Decimal]) -> Decimal:
    if aggregation == "count":
        return Decimal(len(quantities))
    return max(quantities) if aggregation == "max" else sum(quantities, Decimal(0))


def _taken(evidence: Evidence) -> Iterator[str]:
    """What the door acknowledged is in the raw table as it was sent, and nothing else is."""
    if not evidence.acknowledged:
        yield "nothing was acknowledged: the day proves nothing"
    if evidence.unacknowledged:
        yield f"{evidence.unacknowledged} requests were never acknowledged, although everything works again"
    yield from (f"the door rejected {answer}" for answer in evidence.rejected)
    sent = {(event.key, *event.counter, event.quantity) for event in evidence.acknowledged.values()}
    if lost := sent - evidence.landed:
        yield f"{len(lost)} acknowledged events did not land: {_some(key for key, *_ in lost)}"
    # A request without an answer may have landed all the same.
    if not evidence.unacknowledged and (strange := evidence.landed - sent):
        yield f"{len(strange)} landed events were never sent so: {_some(key for key, *_ in strange)}"


def _counted(evidence: Evidence) -> Iterator[str]:
    """Every acknowledged event is counted once, and every counter is what plain sums over the record say."""
    if missing := evidence.acknowledged.keys() - evidence.counted.keys():
        yield f"{len(missing)} acknowledged events were not counted: {_some(missing)}"
    if twice := [key for key, times in evidence.counted.items() if times > 1]:
        yield f"{len(twice)} events were counted more than once: {_some(twice)}"
    expected = sums(evidence.acknowledged.values())
    for counter in sorted(expected.keys() | evidence.counters.keys()):
        want, have = expected.get(counter), evidence.counters.get(counter)
        if want != have:
            yield f"counter {_name(counter)} is {_pair(have)}, by the load's record {_pair(want)}"


def _sent(evidence: Evidence) -> Iterator[str]:
    """Each delta is applied once or not at all, as the push ledger says, and together they make the counters."""
    for intent in evidence.intents:
        times = evidence.applied.get(intent.identifier, 0)
        name = f"delta {intent.value} of {_name(intent.counter)} ({intent.state}, {intent.identifier})"
        if times > 1:
            yield f"{name} was applied {times} times"
        elif intent.state == "confirmed" and not times:
            yield f"{name} is confirmed and Stripe never counted it"
        elif intent.state in _VOID and times:
            yield f"{name} is taken for not sent and Stripe counted it"
        elif intent.state not in _VOID | {"confirmed"}:
            yield f"{name} is still open, although everything works again"
    if unknown := evidence.applied.keys() - {intent.identifier for intent in evidence.intents}:
        yield f"{len(unknown)} deltas that arrived at Stripe are in no ledger: {_some(unknown)}"
    for counter, (value, _) in sorted(evidence.counters.items()):
        if (told := evidence.stripe.get(counter, Decimal(0))) != value:
            yield f"{_name(counter)} is {value}, Stripe counted {told}"


def _agreed(evidence: Evidence) -> Iterator[str]:
    """Reconciliation has a line for each counter and finds that it agrees."""
    for counter in sorted(evidence.counters):
        if (said := evidence.parity.get(counter)) != "ok":
            yield f"parity of {_name(counter)}: {said or 'no line'}"
    yield from evidence.wrong


def _suffered(evidence: Evidence) -> Iterator[str]:
    """The stack came back from every fault, and each raised its alert."""
    for outcome in evidence.outcomes:
        yield from (f"{outcome.name}: {fault}" for fault in outcome.faults())


def _name(counter: Counter) -> str:
    return " ".join(counter)


def _pair(one: tuple[Decimal, int] | None) -> str:
    return "missing" if one is None else f"{one[0]} of {one[1]} events"


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:_MOST_NAMED]) + (", ..." if len(listed) > _MOST_NAMED else "")
