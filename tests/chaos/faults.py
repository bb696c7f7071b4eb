"""What chaos day breaks: each fault breaks something when its block begins and mends it when the block ends.

A fault mends as an operator or a restart policy would: it starts again what is down, and touches no data.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random

from tests.chaos.processes import calling_stripe, kill_postgres, ticking, until
from tests.chaos.runs import has_succeeded, processes
from tests.chaos.stage import Stage

Hurt = Callable[[Stage, Random], AbstractContextManager[None]]
DAEMON, STRIPE = "dagster-daemon", "stripe-sandbox"


@dataclass(frozen=True)
class Fault:
    """`does` is for people; `alert` the kind that must be raised, about `subject` (None: whatever).

    `lasts`: it is mended once the alert is raised. Otherwise it is over in an instant, and the alert comes after it.
    """

    name: str
    does: str
    alert: str
    subject: str | None
    hurt: Hurt
    lasts: bool = True


@contextmanager
def _door(stage: Stage, chance: Random) -> Iterator[None]:
    stage.supervisor.kill("door")
    try:
        yield
    finally:
        stage.supervisor.release("door")


@contextmanager
def _queue(stage: Stage, chance: Random) -> Iterator[None]:
    with stage.connect() as blocker, blocker.transaction():
        # Readers pass, landings wait: as behind a migration, or a disk that has stopped writing.
        blocker.execute("lock table raw.usage_events in share mode")
        turned_away = stage.book.turned_away["503 overloaded"]
        until(lambda: _is_full(stage, turned_away), "a full queue")
        yield


def _is_full(stage: Stage, turned_away: int) -> bool | None:
    stage.book.read()
    return stage.book.turned_away["503 overloaded"] > turned_away or None


@contextmanager
def _loop(stage: Stage, chance: Random) -> Iterator[None]:
    loop = [stage.supervisor.process("loop")]
    until(lambda: ticking(stage, loop), "a tick of the loop")
    stage.supervisor.kill("loop")
    try:
        yield
    finally:
        stage.supervisor.release("loop")


@contextmanager
def _daemon(stage: Stage, chance: Random) -> Iterator[None]:
    # The worst moment: a run is under way, and whoever would have noticed its end dies with it.
    until(lambda: calling_stripe(stage, processes(stage, "push")), "a push run")
    stage.supervisor.kill(DAEMON)
    try:
        yield
    finally:
        stage.supervisor.release(DAEMON)


@contextmanager
def _tick_run(stage: Stage, chance: Random) -> Iterator[None]:
    stage.supervisor.hold("loop")  # without a loop, the sensor starts runs that tick
    try:
        run = until(lambda: ticking(stage, processes(stage, "tick")), "a run that ticks")
        run.kill()
        killed_at = datetime.now(UTC)
        yield
        until(lambda: has_succeeded(stage, "tick", killed_at) or None, "the tick that follows", 90)
    finally:
        stage.supervisor.release("loop")


@contextmanager
def _push_call(stage: Stage, chance: Random) -> Iterator[None]:
    # Either the call was carried out and its answer never came, or it never was: the pusher cannot know.
    stage.stripe.hold_answers(chance.choice(("delay_answer", "delay")), seconds=3, calls=8)
    try:
        until(lambda: stage.stripe.is_holding() or None, "a call to Stripe")
        run = until(lambda: calling_stripe(stage, processes(stage, "push")), "the push that called")
        run.kill()
    finally:
        stage.stripe.heal()
    yield


@contextmanager
def _postgres(stage: Stage, chance: Random) -> Iterator[None]:
    kill_postgres(stage.postgres)
    try:
        yield
    finally:
        stage.postgres.ensure_running()


@contextmanager
def _stripe(stage: Stage, chance: Random) -> Iterator[None]:
    if chance.random() < 0.5:
        stage.supervisor.kill(STRIPE)  # nobody listens
        mend = partial(stage.supervisor.release, STRIPE)
    else:
        process = stage.supervisor.process(STRIPE)
        process.suspend()  # connections are taken and never answered
        mend = process.resume
    try:
        yield
    finally:
        mend()


# Both make the door answer 503, and the alert of that holds for a while after the last one.
FIRST = ("queue", "postgres")
FAULTS = (
    Fault("queue", "landing is blocked until the door's queue is full", "door_refuses", None, _queue),
    Fault("postgres", "kill -9 of Postgres, postmaster and all", "database_down", None, _postgres),
    Fault("door", "kill -9 of the door", "door_down", None, _door),
    Fault("loop", "kill -9 of the loop in mid-tick", "loop_died", None, _loop),
    Fault("daemon", "kill -9 of Dagster's daemon with a run under way", "dagster_silent", None, _daemon),
    Fault("tick-run", "kill -9 of a run in mid-tick", "run_failed", "tick", _tick_run, lasts=False),
    Fault("push-call", "kill -9 of a push in mid-call", "run_failed", "push", _push_call, lasts=False),
    Fault("stripe", "the local Stripe is killed, or answers nobody", "circuit_open", None, _stripe),
)
