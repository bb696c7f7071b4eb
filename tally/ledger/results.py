"""What a run of the ledger did."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ModelRun:
    """One model's part of a run.

    `rows` is what its statement wrote (0 for a view); `read_to` the landing transaction it has read to, itself not
    included (None for a view).
    """

    model: str
    relation: str
    status: str
    rows: int
    seconds: float
    read_to: int | None


@dataclass(frozen=True)
class TestResult:
    """One dbt test, as an asset check needs it. `failures` counts the rows that the test's query returned."""

    __test__ = False  # a result, not a test of ours

    name: str
    unique_id: str
    description: str
    models: tuple[str, ...]
    severity: Literal["error", "warn"]
    status: Literal["pass", "warn", "fail", "error"]
    failures: int
    message: str | None


@dataclass(frozen=True)
class Tick:
    """One pass of every ledger model over what landed since."""

    models: tuple[ModelRun, ...]
    seconds: float

    @property
    def new_events(self) -> int:
        """Events seen for the first time."""
        return sum(model.rows for model in self.models if model.model == "int_usage_events_deduplicated")


@dataclass(frozen=True)
class Build:
    """Every model and every data test."""

    models: tuple[ModelRun, ...]
    tests: tuple[TestResult, ...]
    seconds: float

    @property
    def failed(self) -> tuple[TestResult, ...]:
        """The tests that say something is wrong; a warning is not among them."""
        return tuple(test for test in self.tests if test.status in ("fail", "error"))
