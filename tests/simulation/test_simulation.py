"""A fixed budget of the simulation: every crash point of the way, and ten seeds. `make simulate` plays more."""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.simulation.cast import Cast
from tests.simulation.crash_points import all_steps, crash_points, tick
from tests.simulation.faults import NoFaults
from tests.simulation.postgres_side import PostgresSide
from tests.simulation.run import HOUR, MID_MONTH, Outcome, Product, conclude, run_seed, staged
from tests.simulation.stage import Step
from tests.simulation.tally_up import Sum, again
from tests.simulation.world import PERIODS, World
from tests.simulation.worlds import Run, play

SEEDS = range(10)
GLOBEX = ("globex", "api_calls")


@pytest.fixture
def world(played: tuple[World, PostgresSide]) -> World:
    return played[0]


@pytest.fixture
def postgres_side(played: tuple[World, PostgresSide]) -> PostgresSide:
    return played[1]


class InOrder:
    """The n-th meter event, and the n-th reading of a summary, has the n-th fault."""

    def __init__(self, post: list[str | None], get: list[str | None] | None = None) -> None:
        self._faults = {"post": iter(post), "get": iter(get or [])}

    def __call__(self, step: Step) -> str | None:
        return next(self._faults[step.kind], None) if step.kind in self._faults else None


def played_through(world: World, side: PostgresSide, runs: list[Run]) -> Sum:
    total = Sum()
    for run in runs:
        total.add(play(world, side, run))
    return total


def test_every_crash_point_of_the_way_ends_in_equality(world: World, postgres_side: PostgresSide) -> None:
    points = crash_points(all_steps(world, postgres_side))
    total = played_through(world, postgres_side, list(points))
    assert total.violations == []
    assert (total.crash_points, total.fired["sql crash_after"] > 60) == (len(points), True)
    assert {"answer", "summary", "missing", "cancelled"} <= {fate for fates in total.fates.values() for fate in fates}


def test_ten_seeds_end_in_equality(world: World, postgres_side: PostgresSide) -> None:
    world.server.sandbox.settings.update({"identifier_window_seconds": 24 * 3_600.0})
    total = played_through(world, postgres_side, list(SEEDS))
    assert total.violations == []
    assert total.seeds == len(SEEDS)
    assert len(total.fired) > 10


def test_a_seed_is_the_same_run_whenever_it_is_played(world: World, postgres_side: PostgresSide) -> None:
    first, other, second = (run_seed(world, postgres_side, seed) for seed in (2, 3, 2))
    assert first.fired == second.fired != []
    assert first.trace == second.trace
    assert (first.digest, first.digest != other.digest) == (second.digest, True)


def test_a_run_that_breaks_leaves_nothing_behind(
    world: World, postgres_side: PostgresSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a turn that never comes, and its workers, would hold up the end of the process."""
    before = set(threading.enumerate())
    with monkeypatch.context() as patched:
        patched.setattr("tests.simulation.stage._MOST_STEPS", 60)
        broken = play(world, postgres_side, 2)
    assert "61 steps and no end" in broken.verdict.violations[0]
    assert set(threading.enumerate()) <= before
    assert play(world, postgres_side, 2).verdict.violations == []


def test_by_the_stream_nothing_is_counted_twice_either(streamed: tuple[World, PostgresSide]) -> None:
    """Stripe compares no identifier across the stream and single calls here, so nothing sent by it may be repeated."""
    points = [point for point in crash_points(all_steps(*streamed)) if 1_000 <= point[0] < 2_000]
    total = played_through(*streamed, [*points, *range(3)])
    assert total.violations == []
    assert (total.crash_points, total.seeds) == (len(points), 3)
    assert total.fates["post crash_after"]["summary"] > 0


def outage(world: World, side: PostgresSide, hours: int) -> Outcome:
    """Sent, never answered, and nobody pushes for a while."""
    world.server.sandbox.settings.update({"identifier_window_seconds": 24 * 3_600.0})
    faults = Product(InOrder(["answer_lost"]))
    with staged(world, side, "outage", MID_MONTH, faults) as cast:
        tick(cast, {GLOBEX: "8"}, hours * HOUR)
        tick(cast, {}, timedelta(minutes=2))
        return conclude(cast, faults, "outage")


def test_an_outage_longer_than_stripe_remembers_is_survived(world: World, postgres_side: PostgresSide) -> None:
    outcome = outage(world, postgres_side, 26)
    assert outcome.verdict.violations == []
    assert outcome.verdict.states == {"confirmed by summary": 1}


def test_it_is_the_20_hour_rule_that_saves_it(
    world: World, postgres_side: PostgresSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with the rule at 30 hours the simulation finds usage counted twice, and says how to see it again."""
    for module in ("intents", "run", "worker"):
        monkeypatch.setattr(f"tally.push.{module}.RESEND_FOR", 30 * HOUR)
    outcome = outage(world, postgres_side, 26)
    assert outcome.verdict.applied_twice == 1
    total = Sum()
    total.add(outcome)
    assert total.violations[0]["violations"][0] == ("globex api_calls 2024-03 seq 1 (confirmed): 8 was counted 2 times")
    assert "violations 1" in total.last_line()
    assert (again("7"), again("57:crash_after")) == ("make simulate SEED=7", "make simulate POINT='57:crash_after'")


@pytest.mark.parametrize("order", range(4))
def test_a_stale_summary_does_not_confirm_what_never_arrived(
    world: World, postgres_side: PostgresSide, order: int
) -> None:
    """+5, -5, a +5 that never arrives: without the -5, which one reading does not show, the total looks complete."""
    faults = Product(InOrder([None, None, "fail_500"], ["stale_summary"]))
    with staged(world, postgres_side, str(order), MID_MONTH, faults) as cast:
        for value, then in (("5", HOUR), ("0", HOUR), ("5", 21 * HOUR)):
            tick(cast, {GLOBEX: value}, then)
        cast.pusher()
        cast.stage.run()
        outcome = conclude(cast, faults, "stale")
    assert [fault for _, fault in outcome.fired] == ["fail_500", "stale_summary"]
    assert outcome.verdict.violations == []
    assert outcome.verdict.states == {"confirmed by answer": 3, "missing": 1}


def two_planners(cast: Cast) -> None:
    cast.planner()
    cast.planner()


def planner_and_replay(cast: Cast) -> None:
    cast.recount("globex", PERIODS[0], {"api_calls": Decimal(3), "peak_load": Decimal(9)})
    cast.planner()


def push_and_sync(cast: Cast) -> None:
    cast.planner()
    cast.stage.run()
    cast.pusher()
    cast.syncer()


def three_pushers(cast: Cast) -> None:
    cast.planner()
    cast.stage.run()
    for _ in range(3):
        cast.pusher(2.0)


@pytest.mark.parametrize("side_by_side", [two_planners, planner_and_replay, push_and_sync, three_pushers])
def test_side_by_side_in_many_orders(
    world: World, postgres_side: PostgresSide, side_by_side: Callable[[Cast], None]
) -> None:
    traces = set()
    for order in range(3):
        with staged(world, postgres_side, f"{side_by_side.__name__} {order}", MID_MONTH, Product(NoFaults())) as cast:
            tick(cast, {GLOBEX: "8", ("globex", "peak_load"): "3", ("initech", "api_calls"): "1"}, HOUR)
            tick(cast, {}, HOUR)
            for value in ("5", "11"):
                cast.counting(*GLOBEX, PERIODS[0], Decimal(value))
                cast.stage.run()
                side_by_side(cast)
                cast.stage.run()
            outcome = conclude(cast, Product(NoFaults()), "side by side")
        assert outcome.verdict.violations == []
        traces.add(tuple(line.split(" ", 1)[1] for line in outcome.trace))
    assert len(traces) > 1, "the orders did not differ"
