"""Stripe's reports of meter events that it accepted and dropped later, fetched whole and read into plain values."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import stripe
from stripe.events import V1BillingMeterErrorReportTriggeredEvent, V1BillingMeterNoMeterFoundEvent

from tally.stripe.account import StripeAccount

REPORT_TYPES = frozenset(
    {V1BillingMeterErrorReportTriggeredEvent.LOOKUP_TYPE, V1BillingMeterNoMeterFoundEvent.LOOKUP_TYPE}
)


@dataclass(frozen=True)
class DroppedEvents:
    """The errors of one code. `count` is of all of them; `identifiers` are of those that the report names, a few."""

    code: str
    count: int
    identifiers: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class ErrorReport:
    """What Stripe dropped in a window. `meter_id` is None where it found no meter."""

    event_id: str
    meter_id: str | None
    reported_at: datetime
    window_start: datetime
    window_end: datetime
    dropped: tuple[DroppedEvents, ...]


def read_report(account: StripeAccount, event_id: str) -> ErrorReport:
    """The report of a thin event, which travels without its data.

    Raises:
        stripe.StripeError: it could not be read; Stripe keeps events for 30 days.
    """
    account.reads.wait()
    fetched = account.client.v2.core.events.retrieve(event_id, options=in_context(account))
    # Both kinds have the same data. Only the first has a related object.
    event = cast("V1BillingMeterErrorReportTriggeredEvent", fetched)
    related = getattr(event, "related_object", None)
    return ErrorReport(
        event_id=event.id,
        meter_id=related.id if related is not None else None,
        reported_at=datetime.fromisoformat(event.created),
        window_start=datetime.fromisoformat(event.data.validation_start),
        window_end=datetime.fromisoformat(event.data.validation_end),
        dropped=tuple(_dropped(each) for each in event.data.reason.error_types),
    )


def _dropped(
    errors: V1BillingMeterErrorReportTriggeredEvent.V1BillingMeterErrorReportTriggeredEventData.Reason.ErrorType,
) -> DroppedEvents:
    samples = errors.sample_errors
    named = dict.fromkeys(sample.request.identifier for sample in samples)
    message = samples[0].error_message if samples else "no sample given"
    return DroppedEvents(errors.code, errors.error_count, tuple(named), message)


def in_context(account: StripeAccount) -> stripe.RequestOptions:
    """Per-call options of API v2, which takes a connected account in another header than v1."""
    options = account.options()
    connected = options.pop("stripe_account", None)
    if connected is not None:
        options["stripe_context"] = connected
    return options
