"""What the load sent and what it was told, written to disk before anything depends on it.

A request is on disk before its first attempt, and its acknowledgement before the next request of its sender.
"""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.chaos.cast import Event, Request


class Record:
    """The load's side: every line is synced to disk before the call returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def sent(self, request: Request) -> None:
        """The request is about to be posted for the first time."""
        events = [(event.key, event.customer, event.metric, str(event.quantity)) for event in request.events]
        self._write("sent", request.number, at=request.sent_at.isoformat(), events=events)

    def acknowledged(self, number: int, duplicates: int) -> None:
        """The door took all its events; `duplicates` of them it had seen before."""
        self._write("acknowledged", number, duplicates=duplicates)

    def turned_away(self, number: int, why: str, retry_after: str | None) -> None:
        """The door took none or did not answer: it will be sent again."""
        self._write("turned away", number, why=why, retry_after=retry_after)

    def repeated(self, number: int) -> None:
        """An acknowledged request was posted once more, and taken."""
        self._write("repeated", number)

    def rejected(self, number: int, answer: str) -> None:
        """The door said that it never will take it."""
        self._write("rejected", number, answer=answer)

    def _write(self, say: str, number: int, **more: Any) -> None:
        line = {"say": say, "number": number, "at": datetime.now(UTC).isoformat(), **more}
        self._file.write(json.dumps(line).encode() + b"\n")
        os.fsync(self._file.fileno())


@dataclass
class Book:
    """The harness's side: the record as far as it was read. Times are UTC.

    `turned_away` counts refusals by reason, "503 overloaded" or the name of a lost connection; `impatient` those 503
    that did not say when to come back.
    """

    path: Path
    sent: dict[int, Request] = field(default_factory=dict)
    acknowledged: dict[int, datetime] = field(default_factory=dict)
    turned_away: Counter[str] = field(default_factory=Counter)
    impatient: int = 0
    repeated: int = 0
    rejected: list[str] = field(default_factory=list)
    _read_to: int = 0

    def read(self) -> None:
        """Read on to the last whole line."""
        with self.path.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                self._take(json.loads(line))

    def outstanding(self, before: datetime) -> set[int]:
        """Requests first sent before that moment and not acknowledged yet."""
        return {
            number
            for number, request in self.sent.items()
            if request.sent_at < before and number not in self.acknowledged
        }

    def events(self, before: datetime | None = None) -> list[Event]:
        """The events of acknowledged requests, first sent before that moment."""
        return [
            event
            for number in self.acknowledged
            if before is None or self.sent[number].sent_at < before
            for event in self.sent[number].events
        ]

    def _take(self, line: dict[str, Any]) -> None:
        number, at = line["number"], datetime.fromisoformat(line["at"])
        if line["say"] == "sent":
            events = tuple(Event(key, who, metric, Decimal(value)) for key, who, metric, value in line["events"])
            self.sent[number] = Request(number, at, events)
        elif line["say"] == "acknowledged":
            self.acknowledged[number] = at
        elif line["say"] == "turned away":
            self.turned_away[line["why"]] += 1
            self.impatient += line["why"].startswith("503") and line["retry_after"] is None
        elif line["say"] == "repeated":
            self.repeated += 1
        else:
            self.rejected.append(f"request {number}: {line['answer']}")
