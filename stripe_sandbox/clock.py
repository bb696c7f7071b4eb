"""The sandbox's real time: the machine's clock plus an offset a test may move; and UTC text for /v2 answers."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.offset_seconds = 0.0

    def now(self) -> float:
        return self._source() + self.offset_seconds

    def machine_now(self) -> float:
        return self._source()


def rfc3339(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return int(moment.timestamp())
