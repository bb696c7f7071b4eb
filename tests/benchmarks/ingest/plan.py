"""What a load generator is asked to do and what it says afterwards, passed between processes as JSON."""

import msgspec

REQUEST_ID_CHARACTERS = 12


class Stream(msgspec.Struct, frozen=True):
    """Clients that do the same: one request at a time each, over a connection of its own that is kept open.

    `events` a request; 0 asks for the empty answer. `per_second` requests of all its clients together; without it each
    client sends its next request as soon as the last is answered.
    """

    clients: int
    events: int
    per_second: float | None = None


class Plan(msgspec.Struct, frozen=True):
    """`run` is two hex digits, unlike those of any other plan on the same table. Slices cut the latencies in time."""

    host: str
    port: int
    api_key: str
    run: str
    seconds: float
    streams: list[Stream]
    acknowledged: str
    slice_seconds: float = 3600.0


class Latency(msgspec.Struct, frozen=True):
    """Of the requests that were due within one slice: how many, and how long they took, in seconds."""

    requests: int
    p50: float
    p99: float
    longest: float


class Outcome(msgspec.Struct, frozen=True):
    """What one plan achieved. `refused` counts answers by status, 200 left out."""

    requests: int
    events: int
    seconds: float
    overall: Latency
    slices: list[Latency]
    refused: dict[int, int]

    @property
    def events_per_second(self) -> float:
        """Acknowledged events by the wall clock."""
        return self.events / self.seconds

    @property
    def requests_per_second(self) -> float:
        """Answers by the wall clock."""
        return self.requests / self.seconds
