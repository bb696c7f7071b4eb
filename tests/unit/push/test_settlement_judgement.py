"""What Stripe's total says about an intent whose answer never came."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from tally.push.settlement import DISPUTED_AFTER, STABLE_FOR, Resolving, judge

NOW = datetime(2024, 3, 20, tzinfo=UTC)
INTENT = Resolving(
    UUID(int=1), "cus_1", NOW - timedelta(days=9), NOW + timedelta(days=20), Decimal("0.5"), NOW, None, 0, None, 0,
    False, Decimal("10.5"), "mtr_1",
)  # fmt: skip


def test_the_total_with_it_confirms_whenever_it_shows() -> None:
    absent = replace(INTENT, absent_since=NOW - timedelta(hours=23), absent_reads=9)
    assert judge(absent, Decimal("10.50"), NOW).state == "confirmed"


def test_where_another_ones_absence_looks_like_its_presence_the_total_must_stay_so() -> None:
    offset = replace(INTENT, is_offset=True)
    first = judge(offset, Decimal("10.5"), NOW)
    assert (first.state, first.present_since, first.present_reads) == (None, NOW, 1)
    seen = replace(offset, present_since=NOW, present_reads=1)
    assert judge(seen, Decimal("10.5"), NOW + STABLE_FOR - timedelta(seconds=1)).state is None
    assert judge(seen, Decimal("10.5"), NOW + STABLE_FOR).state == "confirmed"
    absent = judge(seen, Decimal(10), NOW + timedelta(hours=3))
    assert (absent.absent_reads, absent.present_since, absent.present_reads) == (1, None, 0)


def test_the_total_without_it_must_stay_so_for_the_whole_window() -> None:
    first = judge(INTENT, Decimal(10), NOW)
    assert (first.state, first.absent_since, first.absent_reads) == (None, NOW, 1)
    seen = replace(INTENT, absent_since=NOW, absent_reads=1)
    assert judge(seen, Decimal(10), NOW + STABLE_FOR - timedelta(seconds=1)).state is None
    assert judge(seen, Decimal(10), NOW + STABLE_FOR).state == "missing"


def test_another_total_in_between_starts_the_window_anew() -> None:
    seen = replace(INTENT, absent_since=NOW, absent_reads=5)
    odd = judge(seen, Decimal("10.2"), NOW + timedelta(hours=20))
    assert (odd.state, odd.absent_since, odd.absent_reads) == (None, None, 0)


@pytest.mark.parametrize("total", ["10.499999999999", "9.999999999999", "0", "21"])
def test_a_total_that_fits_neither_is_disputed_in_the_end_however_close(total: str) -> None:
    assert judge(INTENT, Decimal(total), NOW + DISPUTED_AFTER - timedelta(seconds=1)).state is None
    verdict = judge(INTENT, Decimal(total), NOW + DISPUTED_AFTER)
    assert verdict.state == "disputed"
    assert f"Stripe's total is {total}; 10.5 with this intent, 10 without" in verdict.evidence
