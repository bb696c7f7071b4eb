"""Meter event summaries: the one way Stripe lets usage be read back, eventually consistent and as a float."""

from stripe_sandbox import meters, usage
from stripe_sandbox.customers import living
from stripe_sandbox.errors import invalid
from stripe_sandbox.ids import derived_id
from stripe_sandbox.listing import PAGING, slice_of
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.usage import WINDOW_SECONDS
from stripe_sandbox.workspace import Workspace


def list_(workspace: Workspace, parameters: Json, meter_id: str) -> Json:
    meter = workspace.get(meters.KIND, meter_id)
    customer = living(workspace, parameters["customer"])["id"]
    start, end = parameters["start_time"], parameters["end_time"]
    window = parameters.get("value_grouping_window")
    _check_alignment(start, end, window)
    # With the inclusive reading, an event in the very second of `end` belongs to the window too.
    settings = workspace.settings
    last_second = 1 if settings.summary_end_inclusive else 0
    if window is None:
        windows = [(start, end)]
    else:
        length = WINDOW_SECONDS[window]
        windows = [(begin, begin + length) for begin in range(start, end, length)]
        windows.reverse()  # newest first, like every list
    rows = []
    for begin, finish in windows:
        points = usage.applied(workspace, meter, customer, begin, finish + last_second, settings.summary_lag_seconds)
        seen = points[: max(0, len(points) - workspace.unseen_events)]
        value = usage.aggregate(meter, seen, by_receipt=settings.last_by_receipt)
        if value is None and not settings.summary_rows_when_empty:
            continue
        rows.append(
            {
                "id": derived_id("mtrusg", meter_id, customer, begin, finish),
                "object": "billing.meter_event_summary",
                "aggregated_value": float(value or 0),
                "end_time": finish,
                "livemode": workspace.livemode,
                "meter": meter_id,
                "start_time": begin,
            }
        )
    return slice_of(rows, f"/v1/billing/meters/{meter_id}/event_summaries", parameters)


def _check_alignment(start: int, end: int, window: str | None) -> None:
    unit = 60 if window is None else WINDOW_SECONDS[window]
    name = "minute" if window is None else window
    for param, moment in (("start_time", start), ("end_time", end)):
        if moment % unit:
            raise invalid(f"{param} must be aligned with {name} boundaries (UTC).", param)
    if start >= end:
        raise invalid("start_time must be before end_time.", "start_time")


OPERATIONS = {
    "v1.billing.meters.event_summaries.list": Operation(
        list_, f"{PAGING} customer end_time start_time value_grouping_window"
    ),
}
