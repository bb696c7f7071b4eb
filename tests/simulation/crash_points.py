"""Every step that a run takes, and every fault at each of them: nothing is sampled.

The ways that an intent can go, each a run: sent and answered, sent and not answered, never arrived, too old to repeat,
confirmed by the summary, taken for missing and sent anew, refused for good and released; stopped by a 401 and resumed,
below zero; superseded by a newer value; held up by an open circuit. A point is numbered by way and step: 2031 is step
31 of way 2, counted from 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from tests.simulation.cast import Cast
from tests.simulation.faults import FAULTS
from tests.simulation.postgres_side import PostgresSide
from tests.simulation.run import HOUR, MID_MONTH, Outcome, Product, conclude, staged
from tests.simulation.stage import Step
from tests.simulation.world import CUSTOMERS, METRICS, PERIODS, World

_SOON = timedelta(minutes=2)
_STEPS_OF_A_WAY = 1_000


@dataclass(frozen=True)
class Way:
    """What is counted before each push, how much time goes by after it, and what happens to the meter events in order.

    After a push whose time is None a person resumes the account.
    """

    pushes: tuple[tuple[dict[tuple[str, str], str], timedelta | None], ...]
    faults: tuple[str | None, ...]


WAYS = (
    Way(
        (
            ({("globex", "api_calls"): "8", ("initech", "peak_load"): "3"}, _SOON),
            ({("globex", "api_calls"): "5", ("initech", "peak_load"): "7"}, 21 * HOUR),
            ({("globex", "peak_load"): "2"}, 25 * HOUR),
        ),
        (None, None, "answer_lost", "fail_500", "refused"),
    ),
    Way(
        (({("initech", "api_calls"): "4"}, None), ({("globex", "api_calls"): "-1"}, _SOON)),
        ("unauthorized",),
    ),
    Way((({("globex", "seats"): "3"}, _SOON), ({("globex", "seats"): "4"}, _SOON)), ("answer_lost",)),
    # Five that nobody answers open the circuit.
    Way((({(ref, metric): "9" for ref in CUSTOMERS for metric in METRICS}, _SOON), ({}, _SOON)), ("unreachable",) * 5),
)


class OnTheWay:
    """The faults that belong to a way, and one more at the step `number`. Keeps the steps that it was asked about."""

    def __init__(self, way: Way, number: int = 0, fault: str = "") -> None:
        self.steps: list[Step] = []
        self._number = number
        self._fault = fault
        self._on_the_way = iter(way.faults)

    def __call__(self, step: Step) -> str | None:
        self.steps.append(step)
        carries = step.kind == "post" and "session" not in step.label
        its_own = next(self._on_the_way, None) if carries else None
        return self._fault if step.number == self._number else its_own


def all_steps(world: World, postgres: PostgresSide) -> list[Step]:
    """The steps of the ways when nothing else goes wrong, without those of the peace that follows."""
    steps: list[Step] = []
    for number, way in enumerate(WAYS):
        faults = OnTheWay(way)
        play_way(world, postgres, way, faults, f"way {number}")
        assert len(faults.steps) < _STEPS_OF_A_WAY
        steps += [replace(step, number=_STEPS_OF_A_WAY * number + step.number) for step in faults.steps]
    return steps


def crash_points(steps: Sequence[Step]) -> list[tuple[int, str]]:
    """Every instant at which the process can die: before the first round trip, and after each."""
    first_of = {step.number // _STEPS_OF_A_WAY: step.number for step in reversed(steps)}
    before = [(number, "crash_before") for number in sorted(first_of.values())]
    return [*before, *((step.number, "crash_after") for step in steps)]


def fault_points(steps: Sequence[Step]) -> list[tuple[int, str]]:
    """Every other fault that each step can have."""
    return [(step.number, fault) for step in steps for fault in FAULTS[step.kind] if not fault.startswith("crash_")]


def run_point(world: World, postgres: PostgresSide, number: int, fault: str) -> Outcome:
    """The way that the point lies on, with `fault` at its step."""
    way = WAYS[number // _STEPS_OF_A_WAY]
    return play_way(world, postgres, way, OnTheWay(way, number % _STEPS_OF_A_WAY, fault), f"{number}:{fault}")


def play_way(world: World, postgres: PostgresSide, way: Way, on_the_way: OnTheWay, name: str) -> Outcome:
    """One run of it, to its verdict."""
    world.server.sandbox.settings.update({"identifier_window_seconds": 24 * 3_600.0})
    faults = Product(on_the_way)
    with staged(world, postgres, "the way", MID_MONTH, faults) as cast:
        for counted, then in way.pushes:
            tick(cast, counted, then or _SOON)
            if then is None:
                cast.resumer()
                cast.stage.run()
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
