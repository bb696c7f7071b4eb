"""Event times are instants, to the microsecond."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.event_time import event_time
from ingest.refusal import Refusal


@pytest.mark.parametrize(
    ("sent", "instant"),
    [
        ("2013-01-01T05:00:00Z", datetime(2013, 1, 1, 5, tzinfo=UTC)),
        ("2013-01-01t05:00:00z", datetime(2013, 1, 1, 5, tzinfo=UTC)),
        ("2013-01-01 05:00:00.5+00:00", datetime(2013, 1, 1, 5, 0, 0, 500_000, tzinfo=UTC)),
        ("2013-01-01T00:00:00.123456-05:00", datetime(2013, 1, 1, 5, 0, 0, 123_456, tzinfo=UTC)),
        ("2013-01-01T05:00:00.123456000Z", datetime(2013, 1, 1, 5, 0, 0, 123_456, tzinfo=UTC)),
        ("2013-01-01T23:59:00+23:59", datetime(2013, 1, 1, tzinfo=UTC)),
    ],
)
def test_rfc_3339_with_a_zone_is_taken(sent: str, instant: datetime) -> None:
    assert event_time(sent) == instant


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("2013-01-01T05:00:00", "no time zone"),
        ("2013-01-01", "not an RFC 3339 time"),
        ("1357016400", "not an RFC 3339 time"),
        ("2013-01-01T05:00Z", "not an RFC 3339 time"),
        ("2013-01-01T24:00:00Z", "not an RFC 3339 time"),
        ("2013-01-01T05:00:60Z", "not an RFC 3339 time"),
        ("2013-01-01T05:00:00+0500", "not an RFC 3339 time"),
        ("2013-01-01T05:00:00Z\n", "not an RFC 3339 time"),
        ("２013-01-01T05:00:00Z", "not an RFC 3339 time"),
        ("2013-01-01T05:00:00.1234567Z", "finer than a microsecond"),
        ("2013-02-29T05:00:00Z", "does not exist"),
        ("0000-01-01T05:00:00Z", "does not exist"),
        ("0001-01-01T00:00:00+01:00", "does not exist"),
        ("", "not an RFC 3339 time"),
    ],
)
def test_anything_else_is_refused(sent: str, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        event_time(sent)
    assert caught.value.field == "event_time"
    assert reason in caught.value.reason


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_every_instant_survives_to_the_microsecond(moment: datetime) -> None:
    utc = moment.astimezone(UTC)
    assert event_time(utc.isoformat()) == utc
