"""Small Markdown tables for people."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dagster_project.lib.tables import cell, markdown_table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (Decimal("1E+4"), "10,000"),
        (Decimal("0.500"), "0.5"),
        (12_345, "12,345"),
        (True, "True"),
        (Decimal("-0.000001"), "-0.000001"),
        (datetime(2013, 1, 1, 5, tzinfo=UTC), "2013-01-01 05:00"),
        ("a|b", "a\\|b"),
        ("two\nlines", "two lines"),
    ],
)
def test_a_cell_reads_as_people_read(value: object, text: str) -> None:
    assert cell(value) == text


def test_rows_beyond_the_limit_are_counted_not_shown() -> None:
    table = markdown_table(["n"], [(n,) for n in range(5)], most=3)
    assert table.splitlines() == ["| n |", "| --- |", "| 0 |", "| 1 |", "| 2 |", "", "… and 2 more"]


def test_an_empty_table_says_so() -> None:
    assert markdown_table(["n"], []) == "none"
