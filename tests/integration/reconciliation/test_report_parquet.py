"""The Parquet file beside a report has the numbers of the CSV, exactly."""

from decimal import Decimal
from pathlib import Path

import polars as pl
from reconciled import line

from tally.reconciliation.lines import COLUMNS
from tally.reports import write_parquet


def test_parquet_has_the_numbers_of_the_csv(tmp_path: Path) -> None:
    lines = [
        line(local_quantity=Decimal("0.000000000001"), drift_ratio=Decimal(1) / 3, invoice_amount=None, livemode=None),
        line(local_quantity=Decimal("-12345678901234567890.5"), stripe_quantity=Decimal("1e-13")),
    ]
    write_parquet(lines, tmp_path / "lines.parquet")
    frame = pl.read_parquet(tmp_path / "lines.parquet")
    assert frame.columns == list(COLUMNS)
    assert frame["local_quantity"].to_list() == [each.local_quantity for each in lines]
    assert frame["stripe_quantity"].to_list() == ["10", "0.0000000000001"]  # does not fit: text, not rounded
    assert frame["drift_ratio"][0] == Decimal("0.33333333333333333333")
    assert frame["period_start"].to_list() == [each.period_start for each in lines]
    assert frame["invoice_amount"].to_list() == [None, Decimal(100)]
    assert frame["deliveries"].dtype == pl.Int64
