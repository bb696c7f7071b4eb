"""Every step that a run takes, and every fault at each of them: nothing is sampled.

The run goes the whole way of an intent: sent and answered, sent and not answered, never arrived, too old to repeat,
confirmed by the summary, taken for missing and sent anew, refused for good and released, stopped by a 401, below zero.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from tests.simulation.cast import Cast
from tests.simulation.faults import FAULTS
from tests.simulation.postgres_side import PostgresSide
from tests.simulation.run import HOUR, MID_MONTH, Outcome, Product, conclude, staged
from tests.simulation.stage import Step
from tests.simulation.world import PERIODS, World

# What happens to the first meter events of the way, in order of sending, whether or not something else breaks too.
_ON_THE_WAY = (None, None, "answer_lost", "fail_500", "refused", "unauthorized")


class TheWay:
    """The faults that belong to the way, and one more at the step `number`. Keeps the steps that it was asked about."""

    def __init__(self, number: int = 0, fault: str = "") -> None:
        self.steps: list[Step] = []
        self._number = number
        self._fault = fault
        self._on_the_way = iter(_ON_THE_WAY)

    def __call__(self, step: Step) -> str | None:
        self.steps.append(step)
        its_own = next(self._on_the_way, None) if step.kind == "post" else None
        return self._fault if step.number == self._number else its_own


def all_steps(world: World, postgres: PostgresSide) -> list[Step]:
    """The steps of the way when nothing else goes wrong, without those of the peace that follows."""
    way = TheWay()
    play_the_way(world, postgres, way, "the way")
    return way.steps


def crash_points(steps: Sequence[Step]) -> list[tuple[int, str]]:
    """Every instant at which the process can die: before the first round trip, and after each."""
    return [(steps[0].number, "crash_before"), *((step.number, "crash_after") for step in steps)]


def fault_points(steps: Sequence[Step]) -> list[tuple[int, str]]:
    """Every other fault that each step can have."""
    return [(step.number, fault) for step in steps for fault in FAULTS[step.kind] if not fault.startswith("crash_")]


def run_point(world: World, postgres: PostgresSide, number: int, fault: str) -> Outcome:
    """The way, with `fault` at its step `number`."""
    return play_the_way(world, postgres, TheWay(number, fault), f"{number}:{fault}")


def play_the_way(world: World, postgres: PostgresSide, way: TheWay, name: str) -> Outcome:
    """One run of it, to its verdict."""
    world.server.sandbox.settings.update({"identifier_window_seconds": 24 * 3_600.0})
    faults = Product(way)
    with staged(world, postgres, "the way", MID_MONTH, faults) as cast:
        tick(cast, {("globex", "api_calls"): "8", ("initech", "peak_load"): "3"}, timedelta(minutes=2))
        tick(cast, {("globex", "api_calls"): "5", ("initech", "peak_load"): "7"}, 21 * HOUR)
        tick(cast, {("globex", "peak_load"): "2"}, 25 * HOUR)
        tick(cast, {("initech", "api_calls"): "4"}, timedelta(minutes=2))
        tick(cast, {("globex", "api_calls"): "-1"}, timedelta(minutes=2))
        return conclude(cast, faults, name)


def tick(cast: Cast, counted: dict[tuple[str, str], str], then: timedelta) -> None:
    """Count, plan, push, one after the other; `then` goes by."""
    for (customer_ref, metric), value in counted.items():
        cast.counting(customer_ref, metric, PERIODS[0], Decimal(value))
        cast.stage.run()
    cast.planner()
    cast.stage.run()
    cast.pusher()
    cast.stage.run()
    cast.stage.pass_time(then)
