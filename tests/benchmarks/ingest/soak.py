"""Minutes of mixed load at a steady pace: memory stays flat, and the end is as quick as the beginning."""

from threading import Event, Thread
from time import monotonic

from rich.console import Console

from tests.benchmarks.bars import Bar, at_most
from tests.benchmarks.ingest.plan import Stream
from tests.benchmarks.ingest.stage import Door

# About a third of what two cores can take, so that waiting is the door's doing and not the load's.
MIX = (Stream(40, 1, 3000), Stream(8, 100, 80), Stream(2, 1000, 8))
SLICES = 10
SAMPLE_SECONDS = 1.0


def measure_soak(door: Door, minutes: float, console: Console) -> list[Bar]:
    """The soak in ten slices, of a minute each when it lasts ten; the first follows a warm-up of its own length / 2."""
    slice_seconds = minutes * 60 / SLICES
    door.load(slice_seconds / 2, *MIX)
    memory = Memory(door)
    with memory:
        outcome = door.load(minutes * 60, *MIX, slice_seconds=slice_seconds)
    resident = memory.slices(slice_seconds)
    for number, (latency, size) in enumerate(zip(outcome.slices, resident, strict=False), 1):
        console.print(
            f"slice {number}: {latency.requests / slice_seconds:,.0f} requests/s, p50 {latency.p50 * 1e3:.1f} ms, "
            f"p99 {latency.p99 * 1e3:.1f} ms, longest {latency.longest * 1e3:.0f} ms, door {size / 2**20:.1f} MiB"
        )
    last, first = outcome.slices[SLICES - 1].p99, outcome.slices[0].p99
    unit = f"{slice_seconds:g} seconds"
    return [
        at_most(f"soak of {minutes:g} minutes: p99 of the last {unit}, of the first", last / first, "ratio", 1.5),
        at_most(f"soak: door's memory in the last {unit}, of the first", resident[-1] / resident[0], "ratio", 1.05),
    ]


class Memory:
    """Samples a door's resident memory from a thread while it is entered."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._samples: list[tuple[float, int]] = []
        self._stop = Event()
        self._thread = Thread(target=self._sample)

    def __enter__(self) -> "Memory":
        self._started = monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def slices(self, seconds: float) -> list[float]:
        """Mean bytes of each slice of the soak."""
        found = []
        for number in range(SLICES):
            ends = (number * seconds, (number + 1) * seconds)
            inside = [size for at, size in self._samples if ends[0] <= at < ends[1]]
            found.append(sum(inside) / len(inside))
        return found

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._samples.append((monotonic() - self._started, self._door.resident_bytes()))
