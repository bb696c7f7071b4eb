"""One run: rounds of work and faults as the seed has it, then peace until everything is settled, then the verdict."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tally.push import DeliveryResult, PlanResult, decide
from tests.simulation.cast import Cast, draw_counting
from tests.simulation.faults import RandomFaults
from tests.simulation.postgres_side import PostgresSide
from tests.simulation.stage import OutOfSteps, Stage, Step
from tests.simulation.verdict import Verdict, judge
from tests.simulation.virtual_time import VirtualTime
from tests.simulation.world import PERIODS, TENANT, World, simulated_time

MID_MONTH = datetime(2024, 3, 10, 12, 0, 0, tzinfo=UTC)
MONTH_END = datetime(2024, 3, 31, 6, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
# How long the world goes on between two rounds, and how often; 21 and 30 hours are outages beyond what may be repeated.
_SPANS = {
    timedelta(seconds=5): 5, timedelta(minutes=2): 5, HOUR: 3, 6 * HOUR: 1, 21 * HOUR: 2, 30 * HOUR: 2, 50 * HOUR: 1,
}  # fmt: skip
_LAGS = ((0.0, 0.0), (0.0, 0.0), (30.0, 30.0), (0.0, 600.0), (0.0, 10 * 3_600.0))
_LONGEST_LAG = timedelta(hours=10)
_MOST_ROUNDS_OF_PEACE = 80
# A decision about an absolute value may uncover an older one, which then needs a decision of its own.
_MOST_DECISIONS = 3


@dataclass
class Outcome:
    """How a run ended. `trace` is every step, `digest` its hash with the ledger's last state."""

    seed: str
    fired: list[tuple[Step, str]]
    verdict: Verdict
    steps: int
    digest: str
    trace: list[str] = field(repr=False, default_factory=list)
    decided: int = 0
    fates: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_violated(self) -> bool:
        return bool(self.verdict.violations)


class Product:
    """Only what belongs to the product fails; the ledger's own writes are another test's."""

    def __init__(self, faults: Callable[[Step], str | None]) -> None:
        self.faults = faults
        self.over = False

    def __call__(self, step: Step) -> str | None:
        if self.over or step.actor.startswith(("ledger", "person")):
            return None
        return self.faults(step)


@contextmanager
def staged(
    world: World, postgres: PostgresSide, seed: str, start: datetime, faults: Callable[[Step], str | None]
) -> Iterator[Cast]:
    """A stage at `start` in a world that knows nothing yet."""
    world.reset()
    time = VirtualTime(start, world.tell_time)
    time.start_at(start)
    stage = Stage(time, Random(f"{seed}/order"), faults, world.is_blocked)
    postgres.go_on(stage, Random(f"{seed}/stalls"))
    with simulated_time(stage, postgres.connect):
        yield Cast(world, stage, postgres, Random(f"{seed}/network"))


def run_seed(world: World, postgres: PostgresSide, seed: int) -> Outcome:
    """The run of a seed; the same whenever and wherever it is repeated."""
    script = Random(f"{seed}/script")
    faults = Product(
        RandomFaults(Random(f"{seed}/faults"), script.choice([0.1, 0.3, 0.6]), script.choice([0.0, 0.01, 0.04]))
    )
    _turn_knobs(world, script)
    start = script.choice([MID_MONTH, MID_MONTH, MONTH_END])
    with staged(world, postgres, str(seed), start, faults) as cast:
        cast.lag = script.choice(_LAGS)
        cast.per_second = script.choice([None, None, 20.0, 100.0])
        for _ in range(script.randint(2, 5)):
            play_round(cast, script)
            span = script.choices(list(_SPANS), list(_SPANS.values()))[0]
            cast.stage.pass_time(span)
        return conclude(cast, faults, str(seed))


def conclude(cast: Cast, faults: Product, seed: str) -> Outcome:
    """Faults cease. What is left is settled and judged; a person decides what is frozen, and it is judged again."""
    faults.over = True
    cast.world.server.sandbox.failures.clear()
    cast.stage.note("peace")
    verdict = judge(cast.world, bring_to_rest(cast))
    decided, again = 0, verdict
    for _ in range(_MOST_DECISIONS):
        if again.frozen and not again.violations:
            decided += _decide_truly(cast.world)
            again = judge(cast.world, bring_to_rest(cast))
    if decided:
        verdict.violations += [f"after a person's decision: {violation}" for violation in again.violations]
        verdict.violations += [f"still frozen after a person's decision: {key}" for key in again.frozen]
    stage = cast.stage
    rows = [f"{row[:7]} {row[9]}" for row in verdict.intents]
    digest = hashlib.sha256("\n".join([*stage.trace, *rows]).encode()).hexdigest()
    fate_of = {row[7]: row[6] or row[5] for row in verdict.intents}
    fates = [(fault, fate_of.get(identifier, "never an intent")) for fault, identifier in stage.hit]
    return Outcome(seed, stage.fired, verdict, stage.steps, digest, [*stage.trace, *rows], decided, fates)


def bring_to_rest(cast: Cast) -> PlanResult:
    """Plan, push and let time pass until nothing but frozen and closed counters is left.

    Raises:
        OutOfSteps: it never came to rest.
    """
    stage = cast.stage
    for _ in range(_MOST_ROUNDS_OF_PEACE):
        if stage.is_empty():
            break
        stage.pass_time(31 * HOUR)
    else:
        raise OutOfSteps(f"somebody never gets a turn: {stage.trace[-5:]}")
    for _ in range(_MOST_ROUNDS_OF_PEACE):
        cast.resumer()
        cast.releaser()
        stage.run()
        planned = _plan(cast)
        pusher = cast.pusher()
        stage.run()
        delivered = pusher.result
        assert isinstance(delivered, DeliveryResult), pusher.ended
        left = delivered.left.keys() - {"disputed"}
        if not (planned.planned or left or delivered.attempts or delivered.settled):
            stage.pass_time(_LONGEST_LAG)
            last = _plan(cast)
            if not last.planned and {held.reason for held in last.held} <= {"disputed", "period_closed"}:
                return last
        stage.pass_time(12 * HOUR if left == {"resolving"} else timedelta(minutes=1))
    raise OutOfSteps(f"no rest in sight: {delivered.left}, {planned.held}")


def _plan(cast: Cast) -> PlanResult:
    planner = cast.planner()
    cast.stage.run()
    assert isinstance(planner.result, PlanResult), planner.ended
    return planner.result


def play_round(cast: Cast, script: Random) -> None:
    for _ in range(script.randint(1, 3)):
        draw_counting(cast, script)
    if script.random() < 0.7:
        cast.stage.run()
    for _ in range(script.choice([1, 1, 2])):
        cast.planner()
    if script.random() < 0.7:
        cast.stage.run()
    for _ in range(script.choice([1, 1, 2, 3])):
        cast.pusher(script.choice([0.4, 0.4, 2.0, 8.0]))
    if script.random() < 0.15:
        cast.syncer()
    if script.random() < (0.15 if cast.stage.time.now() > PERIODS[0][1] else 0.03):
        cast.reader()
    if script.random() < 0.1:
        draw_counting(cast, script)
    if script.random() < 0.5:
        cast.resumer()
    if script.random() < 0.03:
        cast.world.stranger_sends(cast.stage.time.now())
    cast.stage.run()


def _turn_knobs(world: World, script: Random) -> None:
    world.server.sandbox.settings.update({
        "identifier_window_seconds": script.choice([24, 24, 24, 36]) * 3_600.0,
        "summary_end_inclusive": script.choice([False, True]),
        "summary_rows_when_empty": script.choice([False, True]),
        "finalization_grace_hours": script.choice([1.0, 24.0, 72.0]),
    })  # fmt: skip


def _decide_truly(world: World) -> int:
    """The person has looked it up at Stripe, and is right."""
    counted = {event["identifier"]: event["applied_count"] for event in world.events()}
    frozen = world.admin.execute(
        "select intent_id, identifier from tally.push_intents where state = 'disputed'"
    ).fetchall()
    for intent_id, identifier in frozen:
        decide(world.admin, TENANT, intent_id, counted.get(identifier, 0) > 0, "Ada looked it up")
    return len(frozen)
