"""One import: chunk by chunk judged, landed and noted, each in one transaction."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from ingest.acceptance import COLUMNS, Acceptance
from ingest.answer import Result
from ingest.batch import Batch
from ingest.importing.checkpoint import Checkpoint, Progress
from ingest.importing.chunk import Chunk
from ingest.importing.lines import line_chunks
from ingest.importing.reading import ImportRefused, Reading
from ingest.importing.rejects import Rejects
from ingest.importing.tables import count_rows, table_chunks
from ingest.judgement import Judgement, judge
from ingest.problem import Problem

LINE_SUFFIXES = (".jsonl", ".ndjson")
SHOWN_REJECTS = 10
_DURABLE = "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"


@dataclass
class Summary:
    """What an import did, over all its runs: `reached`; and in this run: events by metric, refusals by code, the first
    few of them. `resumed_at` is the row behind which this run began."""

    resumed_at: int = 0
    reached: Progress = field(default_factory=Progress)
    metrics: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    first_rejects: list[tuple[int, Result]] = field(default_factory=list)


@dataclass(frozen=True)
class Import:
    """A file, how to read it, and what its events are judged by. `report` is told the row reached."""

    path: Path
    reading: Reading
    acceptance: Acceptance
    report: Callable[[int], None]

    def total(self) -> int:
        """Rows of the file; of JSONL, its lines."""
        if self.path.suffix in LINE_SUFFIXES:
            with self.path.open("rb") as file:
                return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        return count_rows(self.path)

    def try_out(self) -> Summary:
        """Judge every row and land none."""
        summary = Summary()
        with Rejects(None, 0) as rejects:
            for chunk in self._chunks(0):
                self._judged(chunk, summary, rejects)
                self.report(chunk.last)
        return summary

    def land(
        self, connection: psycopg.Connection, checkpoint: Checkpoint, rejects_path: Path, landed_at: str | None
    ) -> Summary:
        """Land what is not landed yet; a run that was stopped goes on where its last commit was.

        `connection` is in autocommit mode. `landed_at` dates the rows; None leaves it to Postgres.
        """
        connection.execute(_DURABLE)
        began = checkpoint.claim(connection, self.path.name)
        summary = Summary(began.rows_done, began)
        with Rejects(rejects_path, began.rejects_bytes) as rejects:
            for chunk in self._chunks(began.rows_done):
                judgement = self._judged(chunk, summary, rejects)
                with connection.transaction():
                    _copy(connection, judgement.rows, landed_at)
                    checkpoint.move(connection, summary.reached)
                self.report(chunk.last)
        checkpoint.finish(connection)
        return summary

    def _chunks(self, skip: int) -> Iterator[Chunk]:
        read = line_chunks if self.path.suffix in LINE_SUFFIXES else table_chunks
        return read(self.path, self.reading, skip)

    def _judged(self, chunk: Chunk, summary: Summary, rejects: Rejects) -> Judgement:
        try:
            judgement = judge(Batch(chunk.events), self.acceptance, "")
        except Problem as problem:
            raise ImportRefused(f"near row {chunk.last}: {problem.detail}") from None
        answer = judgement.answer
        for result in answer.results if answer.rejected else ():
            if result.status == "rejected":
                row = chunk.rows[result.index]
                rejects.write(row, result, chunk.original(result.index))
                if len(summary.first_rejects) < SHOWN_REJECTS:
                    summary.first_rejects.append((row, result))
        summary.refusals.update(judgement.refusals)
        # The metric is the fourth of a row's fields, and holds no tab.
        summary.metrics.update(row.split("\t", 4)[3] for row in judgement.rows)
        before = summary.reached
        summary.reached = Progress(
            chunk.last,
            before.accepted + answer.accepted,
            before.duplicates + answer.duplicates,
            before.rejected + answer.rejected,
            rejects.size(),
        )
        return judgement


def _copy(connection: psycopg.Connection, rows: list[str], landed_at: str | None) -> None:
    columns = COLUMNS if landed_at is None else (*COLUMNS, "landed_at")
    lines = "".join(rows)
    if landed_at is not None:
        # Line feeds inside values are escaped, so each one ends a row.
        lines = lines.replace("\n", f"\t{landed_at}\n")
    with connection.cursor() as cursor, cursor.copy(f"copy raw.usage_events ({', '.join(columns)}) from stdin") as copy:
        copy.write(lines)
