"""What the loop tells: the first tick at once, the rest together, and nothing lost when telling fails."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dagster_project.lib.report_queue import NotReported, ReportQueue
from dagster_project.lib.tick_numbers import TickNumbers
from dagster_project.lib.waiting_rows import FIRST_MODEL, Waiting
from tally.ledger import ModelRun, Tick
from tally.stripe.mirror import SyncSummary

NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)


def tick(rows: int, read_to: int, seconds: float = 0.5) -> Tick:
    model = ModelRun("int_usage_events_deduplicated", FIRST_MODEL, "success", rows, seconds, read_to)
    view = ModelRun("usage_counters", "marts.usage_counters", "success", 0, 0.0, None)
    return Tick((model, view), seconds)


def waiting(rows: int, read_to: int, age: float = 1.0) -> Waiting:
    return Waiting(rows, NOW - timedelta(seconds=age), read_to)


class Told:
    """Keeps what was told; refuses the first `refusals` times."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.numbers: list[TickNumbers] = []
        self.refused, self.told = threading.Event(), threading.Event()

    def __call__(self, numbers: TickNumbers, synced: Sequence[SyncSummary]) -> None:
        if self.refusals:
            self.refusals -= 1
            self.refused.set()
            raise NotReported("out of order")
        self.numbers.append(numbers)
        self.told.set()


def test_the_first_tick_is_told_at_once_and_the_rest_together_at_the_end() -> None:
    told = Told()
    queue = ReportQueue(told, every_seconds=3600)
    queue.start()
    queue.ticked(tick(3, 100), waiting(4, 90), NOW)
    assert told.told.wait(10)
    queue.ticked(tick(1, 110, seconds=2.0), waiting(1, 100, age=5), NOW)
    queue.ticked(tick(2, 120), waiting(2, 110), NOW)
    queue.close()
    first, rest = told.numbers
    assert (first.ticks, first.events, first.windows) == (1, 3, [(90, 100)])
    assert (rest.ticks, rest.events, rest.windows) == (2, 3, [(100, 120)])
    assert (rest.median_seconds, rest.worst_seconds, rest.worst_lag_seconds) == (1.25, 2.0, 5.0)
    assert rest.read_to == {FIRST_MODEL: 120}


def test_what_could_not_be_told_is_told_with_the_next_report() -> None:
    told = Told(refusals=1)
    queue = ReportQueue(told, every_seconds=3600)
    queue.start()
    queue.ticked(tick(3, 100), waiting(3, 90), NOW)
    assert told.refused.wait(10)
    queue.ticked(tick(1, 120), waiting(1, 100), NOW)
    queue.close()
    (numbers,) = told.numbers
    assert (numbers.ticks, numbers.events) == (2, 4)
    # Whether the second tick met the refused numbers before or after they were put back.
    assert numbers.windows in ([(90, 100), (100, 120)], [(90, 120)])


def test_nothing_happened_is_not_told() -> None:
    told = Told()
    queue = ReportQueue(told)
    queue.start()
    queue.close()
    assert told.numbers == []
