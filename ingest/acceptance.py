"""Judging events: from a decoded event to its row in Postgres' COPY text form, or to a refusal."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec

from ingest.event import ABSENT, NULL, Event
from ingest.event_time import event_time
from ingest.properties import needs_care, properties_text
from ingest.quantity import quantity_text
from ingest.refusal import Refusal
from tally.settings import Settings

COLUMNS = ("tenant_id", "idempotency_key", "customer_ref", "metric", "quantity", "event_time", "properties")
MAX_TEXT = 255
_NAMED_METRICS = 10

# A row that needs no second look: printable ASCII without a backslash, a short number, a UTC time.
# All else goes the careful way.
_WORD = r"[!-\[\]-~]{1,255}+"
_PLAIN_ROW = re.compile(
    rf"[^\t]++\t{_WORD}\t{_WORD}\t[^\t]++\t"
    r"-?(?:0|[1-9][0-9]{0,14}|(?:0|[1-9][0-9]{0,8})\.[0-9]{1,6})\t"
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z\t"
    r"(?:\\N|\{[ -\[\]-~]*+)\n"
)
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@cache
def _days(number: int) -> timedelta:
    return timedelta(days=number)


@cache
def _seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


class ForeignTenant(Exception):
    """An event names a tenant that is not the key's: the whole request is refused."""


class Acceptance(msgspec.Struct, frozen=True):
    """What the events of one request are judged by. `meters` maps each of the tenant's metrics to its aggregation."""

    tenant_id: str
    meters: Mapping[str, str]
    earliest: datetime
    latest: datetime
    settings: Settings

    @classmethod
    def at(cls, now: datetime, tenant_id: str, meters: Mapping[str, str], settings: Settings) -> "Acceptance":
        """The rules at the instant `now`."""
        earliest = now - _days(settings.event_max_age_days)
        return cls(tenant_id, meters, earliest, now + _seconds(settings.event_max_ahead_seconds), settings)

    def row(self, event: Event) -> str:
        """The event as one line of COPY text, columns `COLUMNS`.

        Raises:
            Refusal: the event cannot be taken; field and reason say why.
            ForeignTenant: it names another tenant.
        """
        try:
            quantity = str(event.quantity, "utf-8")
            properties = "\\N" if event.properties is ABSENT else str(event.properties, "utf-8")
        except UnicodeDecodeError:
            return self._careful_row(event)
        row = (
            f"{self.tenant_id}\t{event.idempotency_key}\t{event.customer_ref}\t{event.metric}\t"
            f"{quantity}\t{event.event_time}\t{properties}\n"
        )
        if (
            _PLAIN_ROW.fullmatch(row) is None
            or event.metric not in self.meters
            or event.tenant_id is not None
            or (event.properties is not ABSENT and self._needs_care(properties))
        ):
            return self._careful_row(event)
        try:
            self._check_age(datetime.fromisoformat(event.event_time))
        except ValueError:
            return self._careful_row(event)
        return row

    def _careful_row(self, event: Event) -> str:
        if event.tenant_id is not None and event.tenant_id != self.tenant_id:
            raise ForeignTenant
        key = _text("idempotency_key", event.idempotency_key)
        customer = _text("customer_ref", event.customer_ref)
        self._check_metric(event.metric)
        quantity = self._quantity(event)
        moment = event_time(event.event_time)
        self._check_age(moment)
        properties = "\\N"
        if event.properties is not ABSENT and bytes(event.properties) != NULL:
            text = properties_text(bytes(event.properties), self.settings.max_properties_bytes)
            properties = text.translate(_ESCAPES)
        time = moment.isoformat().replace("+00:00", "Z")
        return f"{self.tenant_id}\t{key}\t{customer}\t{event.metric}\t{quantity}\t{time}\t{properties}\n"

    def _needs_care(self, properties: str) -> bool:
        return len(properties) > self.settings.max_properties_bytes or needs_care(properties)

    def _check_metric(self, metric: str) -> None:
        if metric in self.meters:
            return
        _text("metric", metric)
        known = sorted(self.meters)
        declared = f"declared are {', '.join(known)}" if known else "none is declared yet"
        if len(known) > _NAMED_METRICS:
            declared = f"{len(known)} others are declared"
        raise Refusal("metric", "unknown_metric", f"{metric!r} is not a metric of this tenant; {declared}")

    def _quantity(self, event: Event) -> str:
        raw = bytes(event.quantity)
        if not raw:
            if self.meters[event.metric] == "count":
                return "1"
            raise Refusal("quantity", "missing_field", "is missing; only a metric that counts events may leave it out")
        if raw[:1] in b"{[tfn":
            raise Refusal("quantity", "wrong_type", "is not a number, nor a string that holds one")
        text = raw.decode("utf-8", "replace")
        return quantity_text(json.loads(text) if raw[:1] == b'"' else text)

    def _check_age(self, moment: datetime) -> None:
        if moment < self.earliest:
            oldest = f"{self.earliest.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            days = self.settings.event_max_age_days
            raise Refusal("event_time", "too_old", f"is more than {days} days old; the oldest taken now is {oldest}")
        if moment > self.latest:
            seconds = self.settings.event_max_ahead_seconds
            raise Refusal("event_time", "too_far_ahead", f"lies more than {seconds} seconds ahead of the door's clock")


def _text(field: str, value: str) -> str:
    """`value` escaped for COPY, once it is 1..255 characters that Postgres can keep and no ends are invisible."""
    if not 1 <= len(value) <= MAX_TEXT:
        raise Refusal(field, "bad_text", f"has {len(value)} characters; 1 to {MAX_TEXT} are taken")
    if "\x00" in value:
        raise Refusal(field, "bad_text", "holds a NUL character")
    if any(end.isspace() or not end.isprintable() for end in (value[0], value[-1])):
        raise Refusal(field, "bad_text", "begins or ends with white space or an invisible character")
    return value.translate(_ESCAPES)
