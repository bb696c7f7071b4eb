"""Rows as usage: a customer, a metric, a span of time, an exact quantity, perhaps an amount."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from tally.compare.columns import Columns, columns_of
from tally.compare.errors import MOST_FAULTS, CompareRefused
from tally.compare.sources import Row, column_names, read_rows

_T = TypeVar("_T")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SECONDS = re.compile(r"\d{9,10}")


@dataclass(frozen=True)
class Reading:
    """What was asked for: columns and values by field; `utc`: times and days without a zone are UTC, not the tenant's.

    `last_day_included`: an `end` without a time of day is the span's last day, not the first one behind it.
    """

    maps: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    utc: bool = False
    last_day_included: bool = False


@dataclass(frozen=True)
class Usage:
    """One row. `month` is a period by the first day of the month in which it starts; else `[start, end)` is UTC, and
    empty for a moment."""

    number: int
    customer: str
    metric: str
    month: date | None
    start: datetime
    end: datetime
    is_period: bool
    quantity: Decimal
    amount: Decimal | None
    currency: str | None


def columns_for(path: Path, reading: Reading) -> Columns:
    """What the file's columns are taken for. Raises CompareRefused when that cannot be told."""
    return columns_of(column_names(path), reading.maps, reading.values)


def read_usage(
    path: Path, columns: Columns, reading: Reading, zone: ZoneInfo, *, with_amounts: bool
) -> Iterator[Usage]:
    """Every row.

    Raises:
        CompareRefused: rows that cannot be read, with their line and field.
    """
    faults: list[str] = []
    parse = _RowParser(columns, reading, zone, with_amounts)
    for number, row in read_rows(path):
        try:
            usage = parse(number, row)
        except _Fault as fault:
            faults.append(f"line {number}, {fault}")
            if len(faults) > MOST_FAULTS:
                break
        else:
            if not faults:
                yield usage
    if faults:
        raise CompareRefused.of_rows(faults)


class _Fault(Exception):
    """A field that cannot be read, and why."""


@dataclass(frozen=True)
class _RowParser:
    columns: Columns
    reading: Reading
    zone: ZoneInfo
    with_amounts: bool

    def __call__(self, number: int, row: Row) -> Usage:
        month, start, end, is_period = self._when(row)
        amount = self._number(row, "amount") if self.with_amounts else None
        currency = self._text(row, "currency").lower() if self.with_amounts else None
        return Usage(
            number, self._text(row, "customer"), self._text(row, "metric"), month, start, end, is_period,
            self._number(row, "quantity"), amount, currency,
        )  # fmt: skip

    def _text(self, row: Row, name: str) -> str:
        column = self.columns.columns.get(name)
        text = row.get(column) if column is not None else self.columns.values.get(name)
        if text is None or not text.strip():
            raise _Fault(f"{column or name}: is empty")
        return text.strip()

    def _number(self, row: Row, name: str) -> Decimal:
        text = self._text(row, name)
        try:
            if not _NUMBER.fullmatch(text):
                raise InvalidOperation
            return Decimal(text)
        except InvalidOperation:
            column = self.columns.columns.get(name, name)
            raise _Fault(f"{column}: {text!r} is no number: write 1234.5, without separators of thousands") from None

    def _when(self, row: Row) -> tuple[date | None, datetime, datetime, bool]:
        kind = self.columns.when
        if kind == ("start", "end"):
            start = self._parsed(row, "start", self._moment)
            end = self._parsed(row, "end", self._end)
            if end <= start:
                raise _Fault(f"{self.columns.columns.get('end', 'end')}: the span ends at or before its start")
            return None, start, end, False
        if kind == ("day",):
            day = self._parsed(row, "day", _day)
            zone = self._zone("day")
            return None, _midnight(day, zone), _midnight(day + timedelta(days=1), zone), False
        name = kind[0]
        if name == "period" and (month := _MONTH.fullmatch(self._text(row, "period"))):
            first = self._parsed(row, "period", lambda _, __: date(int(month[1]), int(month[2]), 1))
            moment = _midnight(first, self._zone("period"))
            return first, moment, moment, True
        moment = self._parsed(row, name, self._moment)
        return None, moment, moment, name != "at"

    def _parsed(self, row: Row, name: str, parse: Callable[[str, ZoneInfo], _T]) -> _T:
        text = self._text(row, name)
        try:
            return parse(text, self._zone(name))
        except (ValueError, OverflowError):
            column = self.columns.columns.get(name, name)
            raise _Fault(
                f"{column}: {text!r} is no time: write 2013-01, 2013-01-15, 2013-01-15T09:30Z or Unix seconds"
            ) from None

    def _zone(self, name: str) -> ZoneInfo:
        says_utc = self.columns.columns.get(name) in self.columns.utc
        return ZoneInfo("UTC") if self.reading.utc or says_utc else self.zone

    def _end(self, text: str, zone: ZoneInfo) -> datetime:
        if self.reading.last_day_included and _DAY.fullmatch(text):
            return _midnight(date.fromisoformat(text) + timedelta(days=1), zone)
        return self._moment(text, zone)

    @staticmethod
    def _moment(text: str, zone: ZoneInfo) -> datetime:
        if _SECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        if _DAY.fullmatch(text):
            return _midnight(date.fromisoformat(text), zone)
        found = datetime.fromisoformat(re.sub(r" UTC$", "Z", text))
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _day(text: str, zone: ZoneInfo) -> date:
    if _DAY.fullmatch(text):
        return date.fromisoformat(text)
    found = datetime.fromisoformat(text)
    local = found.astimezone(zone) if found.tzinfo else found
    if local.time() != time.min:
        raise ValueError("a day begins at midnight")
    return local.date()


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
