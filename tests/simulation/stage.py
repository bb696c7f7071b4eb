"""Who acts when: every actor is a thread of real product code, and one of them at a time takes one step.

A step is a round trip: a statement to Postgres, a connection to it, a request to Stripe. Before each, the actor waits
for its turn; the seed decides whose it is and what goes wrong with the step. So a run is the same each time.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal

import psycopg
import stripe

from tally.errors import TallyError
from tests.simulation.virtual_time import VirtualTime

Kind = Literal["connect", "sql", "post", "get"]

# An actor that has not come to its next step by then is asked whether it waits for another one's lock.
_LOOK_FOR_LOCKS_SECONDS = 0.02
# Waits up to this long are waited out within a round; an actor that stands still for longer is left behind.
_SHORT = timedelta(minutes=2)
# Steps take no time but for requests; so that nobody polls for ever, the time moves on a little now and then.
_STEPS_PER_NUDGE = 25
_NUDGE = timedelta(milliseconds=100)
_MOST_STEPS = 4_000


class Crashed(BaseException):
    """The process is gone. Nothing may catch this."""


class OutOfSteps(AssertionError):
    """The actors never came to rest."""


class Broke(AssertionError):
    """Product code raised what no fault explains."""


@dataclass(frozen=True)
class Step:
    """A round trip that an actor is about to make; `number` counts all steps of the run from 1."""

    number: int
    actor: str
    kind: Kind
    label: str


@dataclass(eq=False)
class Actor:
    """A thread of product code. `ended` says how it came out: done, crashed, or the error it failed with."""

    name: str
    thread: threading.Thread = field(init=False)
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    arrived: threading.Event = field(default_factory=threading.Event)
    wakes_at: datetime | None = None
    backend: int | None = None
    blocked: bool = False
    dead: bool = False
    ended: str | None = None
    bug: BaseException | None = None
    result: Any = None


class Stage:
    """The actors of one run, the order of their steps, and the trace of what happened."""

    def __init__(
        self,
        time: VirtualTime,
        randomness: Random,
        fault_at: Callable[[Step], str | None],
        is_blocked: Callable[[int], bool],
    ) -> None:
        self.time = time
        self.trace: list[str] = []
        self.steps = 0
        self.fired: list[tuple[Step, str]] = []
        self.hit: list[tuple[str, str]] = []
        self._random = randomness
        self._fault_at = fault_at
        self._is_blocked = is_blocked
        self._began = time.now()
        self._actors: dict[str, Actor] = {}
        self._later: list[tuple[datetime, Callable[[], None]]] = []
        self._here = threading.local()
        self._is_abandoned = False

    # What the director calls.

    def start(self, name: str, work: Callable[[], Any]) -> Actor:
        """Begin an actor and let it come to its first step."""
        assert name not in self._actors, f"{name} is on the stage already"
        actor = Actor(name)
        actor.thread = threading.Thread(target=self._play, args=(actor, work), name=name, daemon=True)
        self._actors[name] = actor
        self._here.actor = None
        actor.thread.start()
        self._await(actor)
        return actor

    def run(self) -> None:
        """Step by step, until everybody is done or stands still for long."""
        while True:
            self._look_after_blocked()
            actor = self._next()
            if actor is None:
                return
            actor.wakes_at = None
            actor.arrived.clear()
            actor.turn.release()
            self._await(actor)

    def pass_time(self, span: timedelta) -> None:
        """Let time go by. Whoever wakes up in between, and whatever arrives late, has its moment."""
        until = self.time.now() + span
        while (moment := self._next_moment()) is not None and moment <= until:
            self.time.move_to(moment)
            for at, arrive in [late for late in self._later if late[0] <= moment]:
                self._later.remove((at, arrive))
                arrive()
            self.run()
        self.time.move_to(until)
        self.run()

    def is_empty(self) -> bool:
        """Whether nobody is on the stage and nothing is on its way."""
        return not self._actors and not self._later

    def abandon(self) -> None:
        """The run is over before its end: whoever still waits for a turn is gone, and its threads with it."""
        self._is_abandoned = True
        for actor in self._actors.values():
            actor.dead = True
            while actor.thread.is_alive():
                actor.turn.release()
                actor.thread.join(_LOOK_FOR_LOCKS_SECONDS)

    def note(self, *words: object) -> None:
        """Write a line into the trace."""
        since = (self.time.now() - self._began) / timedelta(seconds=1)
        self.trace.append(f"{since:.3f} {' '.join(map(str, words))}")

    # What the actors' threads call.

    def step(self, name: str, kind: Kind, label: str, identifiers: Sequence[str] = ()) -> str | None:
        """Wait for the turn; returns the fault of this step. A crash before it is raised here.

        `identifiers`: the intents that the step sends, where it sends any.
        """
        actor = self._actors.get(name)
        if self._is_abandoned:
            raise Crashed
        if actor is None or actor.dead:
            return None
        self._here.actor = actor
        self._park(actor)
        self.steps += 1
        if self.steps > _MOST_STEPS:
            actor.dead = True
            raise OutOfSteps(f"{self.steps} steps and no end: {self.trace[-5:]}")
        if self.steps % _STEPS_PER_NUDGE == 0:
            self.time.move_to(self.time.now() + _NUDGE)
        step = Step(self.steps, name, kind, label)
        fault = self._fault_at(step)
        self.note(step.number, name, kind, label, fault or "")
        if fault is not None:
            self.fired.append((step, fault))
            self.hit += [(fault, identifier) for identifier in identifiers]
        if fault == "crash_before":
            self.crash(name)
        return fault

    def crash(self, name: str) -> None:
        """The actor's process is gone from here on."""
        self._actors[name].dead = True
        raise Crashed

    def sleep(self, seconds: float) -> None:
        """Time passes for this thread's actor only; used in place of `time.sleep`."""
        actor: Actor | None = getattr(self._here, "actor", None)
        if actor is None or actor.dead:
            return
        actor.wakes_at = self.time.now() + timedelta(seconds=seconds)
        self._park(actor)

    def stands_at(self, name: str, backend: int) -> None:
        """Which Postgres backend the actor talks to now: what it may wait for is asked there."""
        if name in self._actors:
            self._actors[name].backend = backend

    def later(self, after: timedelta, arrive: Callable[[], None]) -> None:
        """Something that happens of itself when its time has come."""
        self._later.append((self.time.now() + after, arrive))

    def _play(self, actor: Actor, work: Callable[[], Any]) -> None:
        try:
            actor.result = work()
            actor.ended = "done"
        except (psycopg.OperationalError, psycopg.InterfaceError, stripe.StripeError, TallyError) as error:
            actor.ended = type(error).__name__
        except AssertionError as mask:
            # psycopg asserts that a pipeline was left in order, also when it was left because the connection was lost.
            masked = isinstance(mask.__context__, (psycopg.Error, Crashed))
            actor.bug = None if masked else mask
            actor.ended = type(mask.__context__).__name__ if masked else f"broke: {mask!r}"
        except Crashed:
            actor.ended = "crashed"
        except BaseException as bug:  # noqa: BLE001 - a thread must hand everything to the director, who raises it
            # What the driver makes of a process that is gone in the middle of its work is nothing that is seen of it.
            actor.bug = None if actor.dead else bug
            actor.ended = "crashed" if actor.dead else f"broke: {bug!r}"
        actor.arrived.set()

    def _park(self, actor: Actor) -> None:
        actor.arrived.set()
        actor.turn.acquire()
        if self._is_abandoned:
            raise Crashed

    def _await(self, actor: Actor) -> None:
        """Until the actor stands before its next step, is done, or waits for a lock that another one holds."""
        actor.blocked = False
        while not actor.arrived.wait(_LOOK_FOR_LOCKS_SECONDS):
            if actor.backend is not None and self._is_blocked(actor.backend) and not actor.arrived.is_set():
                actor.blocked = True
                return
        if actor.ended is not None:
            actor.thread.join()
            del self._actors[actor.name]
            self.note(actor.name, actor.ended)
            if actor.bug is not None:
                raise Broke(f"{actor.name} broke: {actor.bug!r}") from actor.bug

    def _look_after_blocked(self) -> None:
        for actor in [each for each in self._actors.values() if each.blocked]:
            self._await(actor)

    def _next(self) -> Actor | None:
        while True:
            now = self.time.now()
            waiting = [each for each in self._actors.values() if not each.blocked]
            ready = [each for each in waiting if each.wakes_at is None or each.wakes_at <= now]
            if ready:
                return self._random.choice(ready)
            wakes = [each.wakes_at for each in waiting if each.wakes_at is not None]
            if not wakes or min(wakes) > now + _SHORT:
                return None
            self.time.move_to(min(wakes))

    def _next_moment(self) -> datetime | None:
        wakes = [each.wakes_at for each in self._actors.values() if each.wakes_at is not None]
        return min([*wakes, *(at for at, _ in self._later)], default=None)
