"""A day that is unlike the same hours of the weeks before."""

from datetime import timedelta

from usage_plan import NOW, declare, send

from tally.database import connect
from tally.usage_checks import usage_volume_is_usual

DAY = timedelta(days=1)


def test_only_days_unlike_the_weeks_before_are_unusual(built_database_url: str) -> None:
    with connect(built_database_url, autocommit=True) as connection:
        # A day more, because an hour that has just begun is not compared.
        newest = {
            "steady": (10, 10),
            "wrong unit": (10, 10_000),
            "launch": (30, 30),
            "half dead": (2, 2),
            "a little more": (13, 13),
        }
        for customer, (events, quantity) in newest.items():
            send(connection, customer, (40 * DAY, 1 * DAY))
            send(connection, customer, (1 * DAY, 0 * DAY), events=events, quantity=quantity)
        send(connection, "office", (40 * DAY, 0 * DAY), office=True)
        # Too new, and too small, to be compared.
        send(connection, "new", (10 * DAY, 1 * DAY))
        send(connection, "new", (1 * DAY, 0 * DAY), events=900)
        send(connection, "small", (40 * DAY, 1 * DAY), events=0, quantity=0)
        send(connection, "small", (1 * DAY, 0 * DAY), events=5)
        found = usage_volume_is_usual(connection, NOW, 5)
        declare(connection, volume_factor="1000")
        assert {row[1] for row in usage_volume_is_usual(connection, NOW, 5).against} == {"wrong unit"}
    assert {(row[1], row[3]) for row in found.against} == {
        ("wrong unit", "quantity"),
        ("launch", "events"),
        ("launch", "quantity"),
        ("half dead", "events"),
        ("half dead", "quantity"),
    }
    assert found.against[0][1] == "wrong unit"
    assert found.numbers == {"figures compared": 12, "unusual": 5}
    assert (found.holds, found.costs_money) == (False, False)
