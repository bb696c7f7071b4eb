"""What a replay is asked to count anew."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tally.replay.errors import ReplayRefused

_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_duration = TypeAdapter(timedelta)


@dataclass(frozen=True)
class Request:
    """A tenant's events, narrowed to metrics, customers and event times [since, until), or given by their keys.

    None narrows nothing. `since` and `until` are texts as `moment` takes them. `closed`: closed counters change too.
    """

    tenant_id: str
    metrics: tuple[str, ...] | None = None
    customers: tuple[str, ...] | None = None
    since: str | None = None
    until: str | None = None
    keys: tuple[str, ...] | None = None
    closed: bool = False

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """[since, until) as it is at `now`, UTC; what is left out reaches as far as times do.

        Raises:
            ReplayRefused: one of them is no time, or nothing lies between them.
        """
        since = _EARLIEST if self.since is None else moment("since", self.since, now)
        until = _LATEST if self.until is None else moment("until", self.until, now)
        if since >= until:
            raise ReplayRefused(f"since: {since:%Y-%m-%dT%H:%M:%SZ} is not before until, {until:%Y-%m-%dT%H:%M:%SZ}")
        return since, until

    def as_json(self) -> dict[str, Any]:
        """The request as it is kept."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Request":
        """The request that `as_json` made."""
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in kept.items()}
        return cls(**fields)


def moment(field: str, text: str, now: datetime) -> datetime:
    """A time from ISO 8601 ("2013-01-31", "2013-01-31T05:00:00Z"), "now", or a duration before now ("-PT24H", "-P7D").

    Raises:
        ReplayRefused: it is none of these; the message names `field`.
    """
    if text == "now":
        return now
    try:
        if text.startswith("-P"):
            return now + _duration.validate_python(text)
        if len(text) == len("2013-01-31"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        parsed = datetime.fromisoformat(text)
        found = parsed.astimezone(UTC) if parsed.tzinfo is not None else None
    except (ValueError, ValidationError, OverflowError):
        raise ReplayRefused(f'{field}: {text[:64]!r} is no time; write 2013-01-31T05:00:00Z, -PT24H or "now"') from None
    if found is None:
        raise ReplayRefused(f"{field}: {text[:64]!r} has no zone; add Z for UTC")
    return found
