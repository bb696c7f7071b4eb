"""What lies in the reports' folder, for the index: read from the JSON beside each page, kept until the file changes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from tally.page_addresses import DBT_DOCS

_COMPARISONS = "compare"
_WRITTEN_AGAIN = "runs"
Head = TypeVar("Head", "ReportHead", "ComparisonHead")


class Counts(msgspec.Struct, frozen=True):
    """How many lines of a report have which verdict, and the worst of them."""

    verdict: str
    lines: int
    ok: int
    breaks: int
    missing: int
    unmapped: int


class ReportHead(msgspec.Struct, frozen=True):
    """What the index says of a report; the lines in the same document are skipped, not read."""

    tenant_id: str
    tenant_name: str
    run_id: int | None
    generated_at: datetime
    starting_from: datetime
    summary: Counts


class ComparisonHead(msgspec.Struct, frozen=True):
    """What the index says of a comparison with somebody's export."""

    tenant_name: str
    file: str
    compared_at: datetime
    agrees: bool
    verdicts: dict[str, int]


@dataclass(frozen=True)
class Written(Generic[Head]):
    """A page: its path under the folder without the ending, and of which kinds there are files of that name."""

    stem: str
    head: Head
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Contents:
    """All pages, reports by month and comparisons by moment, the newest first; `unreadable` are paths of documents."""

    reports: list[Written[ReportHead]]
    again: list[Written[ReportHead]]
    comparisons: list[Written[ComparisonHead]]
    docs_written_at: datetime | None
    unreadable: list[str]

    @property
    def unproven(self) -> list[Written[ReportHead]]:
        """Reports with a line that breaks or is not known, or with nothing to compare."""
        return [each for each in self.reports if each.head.summary.verdict != "ok"]


def read_contents(folder: Path) -> Contents:
    """What is in `folder` now; nothing is when it is not there yet."""
    reports: list[Written[ReportHead]] = []
    again: list[Written[ReportHead]] = []
    comparisons: list[Written[ComparisonHead]] = []
    unreadable = []
    for document in folder.glob("**/*.json"):
        place = document.relative_to(folder)
        if place.name.startswith("."):
            continue
        try:
            if place.parts[0] == _COMPARISONS:
                comparisons.append(_written(folder, document, ComparisonHead))
            else:
                (again if place.parts[0] == _WRITTEN_AGAIN else reports).append(_written(folder, document, ReportHead))
        except msgspec.DecodeError:
            unreadable.append(place.as_posix())
    comparisons.sort(key=lambda each: each.head.compared_at, reverse=True)
    return Contents(_by_month(reports), _by_month(again), comparisons, _changed_at(folder / DBT_DOCS), unreadable)


def _written(folder: Path, document: Path, kind: type[Head]) -> Written[Head]:
    beside = [document.with_suffix(ending) for ending in (".html", ".csv", ".json", ".parquet")]
    kinds = tuple(path.suffix[1:] for path in beside if path.exists())
    head = _head(document, kind, document.stat().st_mtime_ns)
    return Written(document.relative_to(folder).with_suffix("").as_posix(), head, kinds)


@lru_cache(maxsize=10_000)
def _head(document: Path, kind: type[Head], _changed_at: int) -> Head:
    return msgspec.json.decode(document.read_bytes(), type=kind)


def _by_month(reports: list[Written[ReportHead]]) -> list[Written[ReportHead]]:
    by_tenant = sorted(reports, key=lambda each: (each.head.tenant_id, -(each.head.run_id or 0)))
    return sorted(by_tenant, key=lambda each: each.head.starting_from, reverse=True)


def _changed_at(file: Path) -> datetime | None:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else None
