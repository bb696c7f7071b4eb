"""The truth against a second, plainer way: one pass over the deliveries in landing order, in Python dictionaries."""

from datetime import datetime
from decimal import Decimal

import polars as pl
import pytest

from demo.billing_periods import FEBRUARY, JANUARY
from demo.truth import TrueCell, truth


def _one_by_one(plan: pl.DataFrame) -> dict[tuple[str, str, datetime], TrueCell]:
    seen: set[str] = set()
    tally: dict[tuple[str, str, datetime], list[tuple[datetime, int, bool]]] = {}
    deliveries: dict[tuple[str, str, datetime], int] = {}
    for row in plan.sort("landed_at", "is_repeat").iter_rows(named=True):
        period = JANUARY if row["event_time"] < JANUARY.end else FEBRUARY
        place = (row["customer_ref"], row["metric"], period.start)
        deliveries[place] = deliveries.get(place, 0) + 1
        events = tally.setdefault(place, [])
        if row["idempotency_key"] not in seen:
            seen.add(row["idempotency_key"])
            events.append((row["event_time"], row["quantity"], row["landed_at"] >= period.closes_at))
    cells = {}
    for place, events in tally.items():
        counted = [(at, quantity) for at, quantity, is_late in events if not is_late]
        value = {
            "departures": len(counted),
            "air_minutes": sum(quantity for _, quantity in counted),
            "peak_departure_delay": max((quantity for _, quantity in counted), default=0),
            "aircraft_in_service": max(counted, default=(None, 0))[1],
        }[place[1]]
        cells[place] = TrueCell(
            *place,
            delivered=deliveries[place],
            duplicates=deliveries[place] - len(events),
            late=len(events) - len(counted),
            counted=len(counted),
            quantity=Decimal(value) if counted else None,
        )
    return cells


def test_every_cell_equals_a_plain_recount(cells: list[TrueCell], plan: pl.DataFrame) -> None:
    recounted = _one_by_one(plan)
    found = {(cell.customer_ref, cell.metric, cell.period_start): cell for cell in cells if cell.delivered}
    assert found == recounted


def test_the_grid_is_complete(cells: list[TrueCell], plan: pl.DataFrame) -> None:
    assert len(cells) == 16 * 4 * 2
    assert sum(cell.delivered for cell in cells) == plan.height
    assert sum(cell.duplicates for cell in cells) == plan["is_repeat"].sum()
    assert sum(cell.late for cell in cells) == 406
    nothing = [cell for cell in cells if cell.delivered == 0]
    assert {(cell.customer_ref, cell.period_start) for cell in nothing} == {
        ("OO", FEBRUARY.start)
    }  # one flight, in January
    assert all(cell.quantity is None for cell in nothing)


def test_known_figures_of_the_data_set(cells: list[TrueCell]) -> None:
    on_time = {
        (cell.customer_ref, cell.metric): cell
        for cell in cells
        if cell.period_start == JANUARY.start and cell.late == 0
    }
    # From the published table: HA51 left JFK 1,301 minutes late on 9 January; Hawaiian flew daily, SkyWest once.
    assert on_time["HA", "peak_departure_delay"].quantity == 1301
    assert on_time["HA", "departures"].quantity == 31
    assert on_time["OO", "air_minutes"].quantity == 132


def test_a_plan_that_lost_an_event_is_refused(flights: pl.DataFrame, plan: pl.DataFrame) -> None:
    lost = plan.filter(pl.col("idempotency_key") != plan["idempotency_key"][0])
    with pytest.raises(ValueError, match="200528"):
        truth(flights, lost)


def test_a_plan_with_an_event_of_no_flight_is_refused(flights: pl.DataFrame, plan: pl.DataFrame) -> None:
    foreign = plan.head(1).with_columns(idempotency_key=pl.lit("2013-01-01.UA.9999.EWR.0515.departures"))
    with pytest.raises(ValueError, match="200528"):
        truth(flights, pl.concat([plan, foreign]))
