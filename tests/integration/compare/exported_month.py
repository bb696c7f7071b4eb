"""A month in New York time, with late events, repeats and a conflict; exports of it; and what it is worth by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from tally.compare import Comparison, Reading, compare

NOW = datetime(2024, 5, 10, tzinfo=UTC)
# Midnight in New York is 05:00Z in winter and 04:00Z in summer; the clocks change on 10 March.
MARCH = (datetime(2024, 3, 1, 5, tzinfo=UTC), datetime(2024, 4, 1, 4, tzinfo=UTC))
APRIL = (datetime(2024, 4, 1, 4, tzinfo=UTC), datetime(2024, 5, 1, 4, tzinfo=UTC))
METERS = {"calls": "count", "bytes": "sum", "peak": "max", "seats": "last", "members": "unique"}
Event = tuple[str, str, str, datetime, str]  # key, customer, metric, time, quantity


def _events() -> list[Event]:
    found = []
    for number in range(31):
        at = MARCH[0] + timedelta(days=number, hours=2)
        found += [
            (f"c{number}", "globex", "calls", at, "1"),
            (f"b{number}", "globex", "bytes", at, f"{1000 + number}.5"),
            (f"p{number}", "globex", "peak", at, str((number * 7) % 31)),
            (f"s{number}", "globex", "seats", at, str(40 - number)),
            (f"m{number}", "globex", "members", at, "1"),
        ]
    found.append(("i1", "initech", "bytes", MARCH[0], "5000"))
    found.append(("i2", "initech", "bytes", APRIL[0], "7000"))
    found.append(("h1", "hooli", "bytes", MARCH[0] + timedelta(days=5), "12.345"))
    return found


EVENTS = _events()
_LAND = (
    "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at,"
    " properties) values ('acme', %s, %s, %s, %s, %s, %s, %s)"
)


def land_month(connection: psycopg.Connection[Any]) -> None:
    def land(key: str, customer: str, metric: str, at: datetime, quantity: str, landed_at: datetime) -> None:
        properties = f'{{"member": "{key}"}}' if metric == "members" else None
        connection.execute(_LAND, (key, customer, metric, quantity, at, landed_at, properties))

    for key, customer, metric, at, quantity in EVENTS:
        land(key, customer, metric, at, quantity, at)
    late = MARCH[1] + timedelta(days=20)
    land("late", "globex", "bytes", MARCH[0] + timedelta(days=4), "250", late)
    land("late-only", "umbrella", "bytes", MARCH[0], "99", late)
    for _ in range(2):
        land(EVENTS[1][0], *EVENTS[1][1:3], EVENTS[1][3], EVENTS[1][4], EVENTS[1][3])  # b0: 1000.5, twice more
    land("b1", "globex", "bytes", EVENTS[6][3], "5001.5", EVENTS[6][3])  # 1001.5 before: a conflict


class Exports:
    """Writes exports and compares them."""

    def __init__(self, connection: psycopg.Connection[Any], folder: Path) -> None:
        self.connection, self.folder = connection, folder

    def write(self, text: str, name: str = "export.csv") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def compare(self, file: str | Path, reading: Reading = Reading(), **options: Any) -> Comparison:
        path = file if isinstance(file, Path) else self.write(file)
        return compare(self.connection, "acme", path, reading, NOW, **options)


def worth(customer: str, metric: str, period: tuple[datetime, datetime] = MARCH) -> Decimal:
    """What is counted, by hand; late events, repeats and the conflict's second payload are not."""
    ordered = sorted(
        (at, Decimal(q)) for _, c, m, at, q in EVENTS if (c, m) == (customer, metric) and period[0] <= at < period[1]
    )
    quantities = [quantity for _, quantity in ordered]
    by = {"count": len, "sum": sum, "max": max, "last": lambda found: found[-1], "unique": len}
    return Decimal(by[METERS[metric]](quantities))  # type: ignore[operator]
