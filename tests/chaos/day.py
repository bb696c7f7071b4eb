"""The day: fault after fault under load, then the load ends and everything comes to rest."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tests.chaos.alerts import Watch
from tests.chaos.faults import Fault
from tests.chaos.flow import Flow
from tests.chaos.outcome import Outcome
from tests.chaos.processes import NothingToKill
from tests.chaos.stage import LOAD, Stage

# Seconds. An outage lasts until somebody has noticed it, and at least a while, so that work piles up behind it.
LEAST_OUTAGE, LONGEST_OUTAGE = 5.0, 90.0
RECOVERY = 120.0
FIRST_FLOW = 120.0
DRAIN = 90.0
# The longest that an alert outlasts its cause: a look or two of Dagster's sensor.
ALERTS = 150.0
LOOK_SECONDS = 0.5


@dataclass
class Day:
    """One chaos day on `stage`. `outcomes` grows fault by fault; `on_news` is told whenever something in it changed.

    `say` is told of each step, in words.
    `patience`: how many times as long as usual is waited, for a machine that is slow or busy with something else.
    """

    stage: Stage
    watch: Watch
    faults: Sequence[Fault]
    chance: Random
    on_news: Callable[[], None]
    say: Callable[[str], None]
    patience: float = 1.0
    outcomes: list[Outcome] = field(default_factory=list)
    wanted: dict[str, Fault] = field(default_factory=dict)

    def run(self, minutes: float) -> None:
        """Break everything in turn, spread over `minutes`, or as long as it takes; then wait until all is at rest."""
        self.flow = Flow(self.stage)
        self.say("the load runs; waiting until something was counted and sent")
        self.flow.until_flowing(FIRST_FLOW * self.patience)
        began = time.monotonic()
        self.say("it flows")
        slot = minutes * 60 / len(self.faults)
        waiting = list(self.faults)
        while waiting:
            due = began + slot * (len(self.faults) - len(waiting) + self.chance.uniform(0, 0.3))
            self._look_until(lambda due=due: time.monotonic() >= due, slot * 2)  # type: ignore[misc]
            fault = self._next(waiting)
            waiting.remove(fault)
            self._suffer(fault)
        self._rest()

    def _next(self, waiting: Sequence[Fault]) -> Fault:
        """The first fault of which no alert is open any more, from one before it."""
        self._look_until(lambda: not all(map(self.watch.is_open, waiting)), ALERTS * self.patience)
        return next((fault for fault in waiting if not self.watch.is_open(fault)), waiting[0])

    def _suffer(self, fault: Fault) -> None:
        outcome = Outcome(fault.name, fault.does, fault.alert, datetime.now(UTC))
        self.outcomes.append(outcome)
        self.wanted[fault.name] = fault
        self.on_news()
        self.say(f"{fault.name}: {fault.does}")
        try:
            with fault.hurt(self.stage, self.chance):
                outcome.broken_at = datetime.now(UTC)
                self.say(f"{fault.name}: done")
                least = time.monotonic() + (self.chance.uniform(1, 2) * LEAST_OUTAGE if fault.lasts else 0)
                self._look_until(
                    lambda: (
                        time.monotonic() >= least
                        and (not fault.lasts or self.watch.has_noticed(fault, outcome.began_at))
                    ),
                    LONGEST_OUTAGE * self.patience,
                )
        except NothingToKill as nothing:
            outcome.failure = str(nothing)
        outcome.mended_at = datetime.now(UTC)
        self.say(f"{fault.name}: {outcome.failure or 'mended'}")
        outcome.recovery = self.flow.recovery(outcome.mended_at, RECOVERY * self.patience, self._look)
        if outcome.recovery.told is not None:
            outcome.twice = sum(times > 1 for times in self.stage.stripe.arrivals().values())
        self.say(f"{fault.name}: {outcome.recovery}")
        self._look()

    def _rest(self) -> None:
        """The load ends once everything it sent is acknowledged; what is counted is sent; alerts resolve."""
        self.say("the load ends")
        self.stage.supervisor.end(LOAD, DRAIN * self.patience)
        self.flow.recovery(datetime.now(UTC), DRAIN * self.patience, self._look)
        self._look_until(self.flow.is_settled, DRAIN * self.patience)
        self.say("what was counted is sent" if self.flow.is_settled() else "not everything that was counted is sent")
        self._look_until(self._is_quiet, ALERTS * self.patience)

    def _is_quiet(self) -> bool:
        return not any(list(outcome.alert_faults()) for outcome in self.outcomes)

    def _look(self) -> None:
        """Read the alerts of the faults so far."""
        for outcome in self.outcomes:
            if outcome.alert is None or outcome.alert.resolved_at is None:
                found = self.watch.raised(self.wanted[outcome.name], outcome.began_at - timedelta(seconds=1))
                outcome.alert = found or outcome.alert
        self.on_news()

    def _look_until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            self._look()
            time.sleep(LOOK_SECONDS)
