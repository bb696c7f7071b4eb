"""A period belongs to the month of its first moment, in UTC."""

from datetime import UTC, datetime

import pytest

from tally.months import bounds, first_and_last, month_of


def test_a_month_goes_from_its_first_moment_to_the_next_months() -> None:
    assert bounds("2013-01") == (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC))


def test_december_is_followed_by_january() -> None:
    assert bounds("2012-12") == (datetime(2012, 12, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("start", "month"),
    [
        ("2013-01-01T00:00:00-05:00", "2013-01"),  # midnight in New York, 05:00Z
        ("2013-02-01T00:00:00+09:00", "2013-01"),  # midnight in Tokyo, still January in UTC
        ("2013-01-31T23:59:59.999999+00:00", "2013-01"),
        ("2013-02-01T00:00:00+00:00", "2013-02"),
    ],
)
def test_a_period_belongs_to_the_utc_month_of_its_start(start: str, month: str) -> None:
    moment = datetime.fromisoformat(start)
    assert month_of(moment) == month
    first, following = bounds(month)
    assert first <= moment < following


@pytest.mark.parametrize("wrong", ["2013", "2013-13", "January", "2013-01-01", ""])
def test_anything_else_is_no_month(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        bounds(wrong)


@pytest.mark.parametrize(
    ("setting", "keys"), [("2024-01", ("2024-01", None)), ("2013-01..2013-02", ("2013-01", "2013-02"))]
)
def test_the_setting_names_the_first_month_and_perhaps_the_last(setting: str, keys: tuple[str, str | None]) -> None:
    assert first_and_last(setting) == keys
