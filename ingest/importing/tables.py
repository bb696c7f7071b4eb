"""CSV and Parquet, read by Polars as text: a number stays the digits that the file has."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import polars as pl
from msgspec import Raw

from ingest.batch import Undecodable
from ingest.event import ABSENT, Event
from ingest.importing.chunk import ROWS, Chunk
from ingest.importing.reading import FIELDS, ImportRefused, Reading
from ingest.refusal import Refusal

_NANOSECONDS = "%Y-%m-%dT%H:%M:%S%.9f"
_TABLE_FAULTS = (pl.exceptions.PolarsError, OSError)


def scan(path: Path) -> pl.LazyFrame:
    """The table of a `.parquet` file, or of any other as CSV with a header; CSV is all text."""
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    return pl.scan_csv(path, infer_schema=False)


def count_rows(path: Path) -> int:
    """How many rows the table has."""
    try:
        return int(scan(path).select(pl.len()).collect().item())
    except _TABLE_FAULTS as error:
        raise _unreadable(path, error) from None


def table_chunks(path: Path, reading: Reading, skip: int) -> Iterator[Chunk]:
    """The rows behind the first `skip`.

    Raises:
        ImportRefused: the file is no such table, or its columns are not what the reading needs.
    """
    try:
        table = scan(path)
        schema = table.collect_schema()
        fields = reading.columns_for(schema.names())
        texts = table.select(_text(name, schema[name]) for name in schema.names()).slice(skip)
        row = skip + 1
        for frame in texts.collect_batches(chunk_size=ROWS, maintain_order=True):
            for part in frame.iter_slices(ROWS):
                yield _chunk(part, fields, reading, row)
                row += part.height
    except _TABLE_FAULTS as error:
        raise _unreadable(path, error) from None


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is None:
            return column.dt.strftime(_NANOSECONDS)
        return column.dt.convert_time_zone("UTC").dt.strftime(f"{_NANOSECONDS}Z")
    if isinstance(kind, pl.Struct):
        return pl.when(column.is_not_null()).then(column.struct.json_encode()).alias(name)
    return column.cast(pl.String)


def _chunk(frame: pl.DataFrame, fields: dict[str, str], reading: Reading, first: int) -> Chunk:
    def values(name: str) -> Sequence[str | None]:
        if name in fields:
            return frame[fields[name]].to_list()
        return [reading.values.get(name)] * frame.height

    rows = range(first, first + frame.height)
    columns = {name: values(name) for name in FIELDS}
    if reading.key_stem is not None:
        named = zip(columns["idempotency_key"], rows, strict=True)
        columns["idempotency_key"] = [key or f"{reading.key_stem}:{row}" for key, row in named]
    if reading.utc:
        columns["event_time"] = [time and with_zone(time) for time in columns["event_time"]]
    if reading.property_columns:
        kept = frame.select(reading.property_columns).to_dicts()
        columns["properties"] = [msgspec.json.encode(each).decode() for each in kept]
    events = list(map(_event, *(columns[name] for name in FIELDS)))
    return Chunk(events, rows, rows[-1], lambda index: frame.row(index, named=True))


def _event(
    key: str | None,
    customer: str | None,
    metric: str | None,
    time: str | None,
    quantity: str | None,
    properties: str | None,
    tenant: str | None,
) -> Event | Undecodable:
    if key is None or customer is None or metric is None or time is None:
        named = {"idempotency_key": key, "customer_ref": customer, "metric": metric, "event_time": time}
        missing = next(name for name, value in named.items() if value is None)
        return Undecodable(key, Refusal(missing, "missing_field", "is missing"))
    kept = ABSENT
    if properties is not None:
        try:
            # The rules that follow trust an event's properties to be JSON.
            kept = msgspec.json.decode(properties, type=Raw)
        except (msgspec.DecodeError, RecursionError):
            return Undecodable(key, Refusal("properties", "bad_properties", "is not JSON"))
    number = ABSENT if quantity is None else Raw(_quoted(quantity))
    return Event(key, customer, metric, time, number, kept, tenant)


def _quoted(text: str) -> bytes:
    """The JSON string of a text."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return b'"%s"' % text.encode()
    return msgspec.json.encode(text)


def with_zone(time: str) -> str:
    """`time` as UTC when its clock is followed by no zone."""
    clock = time[11:]
    return time if not clock or clock[-1:] in "Zz" or "+" in clock or "-" in clock else f"{time}Z"


def _unreadable(path: Path, error: Exception) -> ImportRefused:
    return ImportRefused(f"{path} cannot be read as a table: {str(error).partition(chr(10))[0]}")
