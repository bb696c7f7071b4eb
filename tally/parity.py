"""The parity check: do the lines of `marts.reconciliation_lines` agree within their epsilon?

Great Expectations judges; no type of it leaves this module, and it is imported only when there are lines to judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tally.database import connect
from tally.reconciliation.unused_imports import loaded_on_use

LINES = "marts.reconciliation_lines"


@dataclass(frozen=True)
class ExpectationOutcome:
    """One expectation: what it asks, whether it holds, and how many lines speak against it."""

    name: str
    claim: str
    passed: bool
    unexpected_rows: int


@dataclass(frozen=True)
class ParityResult:
    """The suite's result over the lines of one span of time. Of unmapped and of settling ones, numbers prove nothing.

    `breaking_lines` are whole lines, each once, at most 200 an expectation.
    """

    lines: int
    unmapped_lines: int
    settling_lines: int
    expectations: tuple[ExpectationOutcome, ...]
    breaking_lines: tuple[Mapping[str, Any], ...]

    @property
    def passed(self) -> bool:
        return all(expectation.passed for expectation in self.expectations)


def check_parity(
    url: str, starting_from: datetime | None = None, starting_before: datetime | None = None
) -> ParityResult:
    """Judge the lines whose period starts in `[starting_from, starting_before)` (UTC-aware; None: unbounded).

    No line at all fails unless nothing was counted either: a reconciliation of nothing proves nothing.

    Raises:
        RuntimeError: an expectation could not be evaluated. That is a fault of ours, never a verdict.
    """
    span = _span(starting_from, starting_before)
    lines, unmapped, settling, counters = _sizes(url, span)
    if lines == 0:
        claim = "Every counter has a line: a reconciliation of nothing proves nothing."
        return ParityResult(0, 0, 0, (ExpectationOutcome("lines_exist", claim, counters == 0, counters),), ())
    outcomes, breaking = _judge(url, span)
    return ParityResult(lines, unmapped, settling, outcomes, breaking)


def _span(starting_from: datetime | None, starting_before: datetime | None) -> str:
    # Great Expectations binds no parameters. These are datetimes that we render: nobody's text gets in.
    start = starting_from.astimezone(UTC).isoformat() if starting_from else "-infinity"
    end = starting_before.astimezone(UTC).isoformat() if starting_before else "infinity"
    return f"period_start >= timestamptz '{start}' and period_start < timestamptz '{end}'"


def _sizes(url: str, span: str) -> tuple[int, int, int, int]:
    with connect(url) as connection:
        row = connection.execute(
            f"select (select count(*) from {LINES} where {span}),"
            f" (select count(*) from {LINES} where {span} and verdict = 'unmapped'),"
            f" (select count(*) from {LINES} where {span} and is_settling),"
            f" (select count(*) from marts.usage_counters where {span})"
        ).fetchone()
    assert row is not None
    return row[0], row[1], row[2], row[3]


def _judge(url: str, span: str) -> tuple[tuple[ExpectationOutcome, ...], tuple[Mapping[str, Any], ...]]:
    with loaded_on_use():
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig
        from sqlalchemy.pool import StaticPool

        from tally.reconciliation.expectations import parity_suite

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    # One connection, one temporary table: every expectation reads the same instant of the view, computed once.
    source = context.data_sources.add_postgres(
        "tally",
        connection_string=urlsplit(url)._replace(scheme="postgresql+psycopg2").geturl(),
        create_temp_table=True,
        kwargs={"poolclass": StaticPool},  # type: ignore[call-arg]  # the stub lacks it; sqlalchemy.create_engine gets it
    )
    lines_of_span = source.add_query_asset("lines", query=f"select * from {LINES} where {span}")
    try:
        batch = lines_of_span.add_batch_definition_whole_table("span").get_batch()
        results = batch.validate(parity_suite(), result_format="COMPLETE").results
    finally:
        source.get_execution_engine().close()
        source.get_engine().dispose()
    return tuple(_outcome(single) for single in results), _breaking_lines(results)


def _outcome(single: Any) -> ExpectationOutcome:
    if single.exception_info.get("raised_exception"):
        raise RuntimeError(f"the parity check could not be evaluated: {single.exception_info.get('exception_message')}")
    kind = single.expectation_config.type
    claim = (single.expectation_config.to_domain_obj().__doc__ or kind).strip().splitlines()[0]
    return ExpectationOutcome(kind, claim, bool(single.success), int(single.result["observed_value"]))


def _breaking_lines(results: list[Any]) -> tuple[Mapping[str, Any], ...]:
    from tally.reconciliation.expectations import GRAIN

    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for single in results:
        for row in single.result.get("details", {}).get("unexpected_rows", []):
            found.setdefault(tuple(row[column] for column in GRAIN), row)
    return tuple(
        sorted(found.values(), key=lambda row: (-(row["drift"] or 0), *map(str, (row[column] for column in GRAIN))))
    )
