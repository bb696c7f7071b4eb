"""`Ledger`: ticks and builds of one database's ledger."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tally.database import connect, database_url
from tally.errors import LedgerBusy, LedgerError
from tally.ledger.environment import dbt_environment
from tally.ledger.results import Build, ModelRun, TestResult, Tick
from tally.migrations import require_current
from tally.settings import Settings, load_settings

ADVISORY_LOCK = 7_465_110_002
_LEDGER_MODELS = ("--select", "config.materialized:ledger")
# URLs of the databases whose views this process has made its own version's.
views_are_current_in: set[str] = set()


class Ledger:
    """The ledger of one database. Keeps the parsed dbt project, so the first run is slow and the next ones are not."""

    def __init__(self, where: Settings | str, folder: Path | None = None) -> None:
        """`where`: settings or a database URL; `folder`: for dbt's parse state and logs (default: in TALLY_HOME)."""
        settings = where if isinstance(where, Settings) else None
        self.url = database_url(settings) if settings is not None else str(where)
        self._folder = folder or (settings or load_settings()).home / "dbt"
        self._schema_is_current = False

    def tick(self, *, wait: bool = True) -> Tick:
        """Read what landed since the last tick into every ledger model, each in a transaction of its own.

        Only one tick runs per database at a time: a second one waits, or with `wait=False` raises.

        Raises:
            LedgerBusy: another runner is ticking, and `wait` is False.
            LedgerError: a model failed, with its message. What committed before it stays, and the next tick goes on.
        """
        # A process's first run on a database also replaces the views, so that they are this version's.
        selection = [*_LEDGER_MODELS, "--no-populate-cache"] if self.url in views_are_current_in else []
        tick = self._run(selection, wait)
        views_are_current_in.add(self.url)
        return tick

    def refresh(self) -> Tick:
        """Recompute every ledger model from the landed rows, dating events by today's periods and meters.

        Each model is emptied and filled in one transaction; whoever reads it meanwhile waits for the commit.

        Raises:
            LedgerError: a model failed; its old rows stay.
        """
        return self._run([*_LEDGER_MODELS, "--full-refresh"], wait=True)

    def build(self, *, full_refresh: bool = False) -> Build:
        """Run every model and every data test, as `tally dbt build` does without the unit tests.

        `full_refresh` recomputes every ledger model as `refresh` does, and makes views anew whose columns changed.

        Raises:
            LedgerError: a model failed. A failed test is in the result.
        """
        started = time.perf_counter()
        with self._only_runner(wait=True):
            flags = ["--full-refresh"] if full_refresh else []
            results = self._invoke(["build", "--exclude-resource-type", "unit_test", *flags])
            models = self._model_runs(results)
        return Build(models, _test_results(results), time.perf_counter() - started)

    def test(self, *selection: str) -> tuple[TestResult, ...]:
        """Every data test, or those that dbt's `selection` names, without running a model. Safe beside ticks."""
        select = ["--select", *selection] if selection else []
        return _test_results(self._invoke(["test", "--exclude-resource-type", "unit_test", *select]))

    def _run(self, arguments: list[str], wait: bool) -> Tick:
        started = time.perf_counter()
        with self._only_runner(wait):
            models = self._model_runs(self._invoke(["run", *arguments]))
        return Tick(models, time.perf_counter() - started)

    def _invoke(self, arguments: list[str]) -> list[Any]:
        from tally.ledger import dbt_runner

        result = dbt_runner.invoke(arguments, dbt_environment(self.url, self._folder))
        return list(getattr(result.result, "results", []))

    def _model_runs(self, results: list[Any]) -> tuple[ModelRun, ...]:
        ran = [result for result in results if result.node.resource_type in ("model", "operation")]
        if failed := [result for result in ran if result.status == "error"]:
            raise LedgerError("; ".join(f"{result.node.name}: {result.message}" for result in failed))
        with connect(self.url, autocommit=True) as connection:
            rows = connection.execute("select model, read_to::text from tally.model_bounds").fetchall()
        bounds = {model: int(read_to) for model, read_to in rows}
        return tuple(_model_run(result, bounds) for result in ran if result.node.resource_type == "model")

    @contextmanager
    def _only_runner(self, wait: bool) -> Iterator[None]:
        with connect(self.url, autocommit=True) as connection:
            if not self._schema_is_current:
                require_current(connection)
                self._schema_is_current = True
            if wait:
                connection.execute("select pg_advisory_lock(%s)", (ADVISORY_LOCK,))
            else:
                row = connection.execute("select pg_try_advisory_lock(%s)", (ADVISORY_LOCK,)).fetchone()
                if row != (True,):
                    raise LedgerBusy(
                        "another ledger runner is at work on this database; it frees the lock when its tick ends"
                    )
            yield  # the lock goes with the session, also when this process is killed


def _model_run(result: Any, bounds: dict[str, int]) -> ModelRun:
    relation = f"{result.node.schema}.{result.node.alias}"
    rows = result.adapter_response.get("rows_affected", 0)
    return ModelRun(
        result.node.name, relation, str(result.status), max(rows, 0), result.execution_time, bounds.get(relation)
    )


def _test_results(results: list[Any]) -> tuple[TestResult, ...]:
    return tuple(
        TestResult(
            name=result.node.name,
            unique_id=result.node.unique_id,
            description=result.node.description,
            models=tuple(name.split(".")[-1] for name in result.node.depends_on.nodes),
            severity="warn" if result.node.config.severity.lower() == "warn" else "error",
            status=str(result.status),  # type: ignore[arg-type]  # dbt's TestStatus is these four and "skipped", left out below
            failures=result.failures or 0,
            message=result.message,
        )
        for result in results
        if result.node.resource_type == "test" and result.status != "skipped"
    )
