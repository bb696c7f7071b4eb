"""What a meter makes of a customer's applied events: sum, count or last, in exact decimals."""

from decimal import Decimal

from stripe_sandbox.pricing import EXACT, ZERO
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

FOR_EVER = 1e18
WINDOW_SECONDS = {"hour": 3600, "day": 86400}


def total(workspace: Workspace, meter: Json, customer: str, start: int, end: int) -> Decimal:
    """Over timestamps in [start, end). Nothing at all is zero."""
    points = applied(workspace, meter, customer, start, end)
    return aggregate(meter, points, by_receipt=workspace.settings.last_by_receipt) or ZERO


def applied(
    workspace: Workspace, meter: Json, customer: str, start: int, end: int, lag_seconds: float = 0
) -> list[tuple[int, Decimal]]:
    """(timestamp, value) of the events that count, and have counted for `lag_seconds`, in order of receipt."""
    until = workspace.clock.now() - lag_seconds if lag_seconds else FOR_EVER
    rows = workspace.state.rows(
        "select timestamp, value from meter_events where namespace = ? and meter = ? and customer = ?"
        " and outcome = 'applied' and timestamp >= ? and timestamp < ? and apply_at <= ? order by seq",
        (workspace.namespace, meter["id"], customer, start, end, until),
    )
    points = [(int(row["timestamp"]), Decimal(row["value"])) for row in rows]
    window = meter["event_time_window"]
    if window is None:
        return points
    # Usage aggregated before it was sent: within a UTC hour or day the event received last stands for all of it.
    return list({timestamp // WINDOW_SECONDS[window]: (timestamp, value) for timestamp, value in points}.values())


def aggregate(meter: Json, points: list[tuple[int, Decimal]], *, by_receipt: bool = False) -> Decimal | None:
    if not points:
        return None
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return Decimal(len(points))
    if formula == "last" and by_receipt:
        return points[-1][1]
    if formula == "last":
        # By timestamp; of two with the same one, the later received.
        return max(enumerate(points), key=lambda ranked: (ranked[1][0], ranked[0]))[1][1]
    result = ZERO
    for _timestamp, value in points:
        result = EXACT.add(result, value)
    return result
