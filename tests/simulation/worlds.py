"""Many runs: each process has a world of its own, on one embedded Postgres that is thrown away afterwards."""

import logging
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.ledger import Ledger
from tally.migrations import migrate
from tests.simulation.crash_points import all_steps, run_point
from tests.simulation.postgres_side import PostgresSide
from tests.simulation.run import Outcome, run_seed
from tests.simulation.stage import Step
from tests.simulation.verdict import Verdict
from tests.simulation.world import World, open_world

TEMPLATE = "simulation_template"
# The product's own tests kill Postgres for real; here it would only cost time.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
_RUNS_AT_A_TIME = 20

Run = int | tuple[int, str]  # a seed, or a step of the way and its fault


@contextmanager
def built_postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server with a template database in which every dbt model was built over nothing."""
    server = EmbeddedPostgres(folder / "postgres", _FAST)
    server.ensure_running()
    try:
        with connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute(f"create database {TEMPLATE}")
        with connect(server.url(TEMPLATE), autocommit=True) as connection:
            migrate(connection)
        Ledger(server.url(TEMPLATE), folder / "dbt").tick()
        yield server
    finally:
        server.stop()


@contextmanager
def open_worlds(server: EmbeddedPostgres, folder: Path, jobs: int, *, streams: bool) -> Iterator["Worlds"]:
    """`jobs` processes, each with a database cloned from the template and a local Stripe."""
    context = multiprocessing.get_context("spawn")
    urls = context.Queue()
    with connect(server.url("postgres"), autocommit=True) as admin:
        for number in range(jobs):
            name = f"simulation_{number}"
            admin.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
            urls.put(server.url(name))
    with ProcessPoolExecutor(jobs, context, _open, (urls, folder, streams)) as pool:
        yield Worlds(pool)


class Worlds:
    """Carries runs out, in any order."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def play(self, runs: Iterable[Run]) -> Iterator[Outcome]:
        """The outcome of every run."""
        return self._pool.map(_play, runs, chunksize=_RUNS_AT_A_TIME)

    def give_up(self) -> None:
        """Play nothing but what has begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def the_way(self) -> list[Step]:
        """The steps that crash points are taken from."""
        return self._pool.submit(_steps_of_the_way).result()


_life = ExitStack()
_here: dict[str, tuple[World, PostgresSide]] = {}


def _open(urls: "multiprocessing.Queue[str]", folder: Path, streams: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches this process too; the first one decides
    # psycopg tells of every connection that is lost while it tidies up: here that is what is being tried.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    world = _life.enter_context(open_world(urls.get(), folder, streams=streams))
    _here["world"] = (world, PostgresSide(world.terminate))
    multiprocessing.util.Finalize(None, _life.close, exitpriority=100)


def _play(run: Run) -> Outcome:
    return play(*_here["world"], run)


def _steps_of_the_way() -> list[Step]:
    return all_steps(*_here["world"])


def play(world: World, postgres: PostgresSide, run: Run) -> Outcome:
    """One run; one that breaks, or never comes to rest, is a violation like any other."""
    try:
        return run_seed(world, postgres, run) if isinstance(run, int) else run_point(world, postgres, *run)
    except AssertionError as broken:
        # Whoever still waits for a turn never gets one, and must hold no lock against the runs that follow.
        world.disconnect_all()
        postgres.stage.abandon()
        postgres.close()
        name = str(run) if isinstance(run, int) else f"{run[0]}:{run[1]}"
        return Outcome(
            name, postgres.stage.fired, Verdict([str(broken)]), postgres.stage.steps, "", postgres.stage.trace
        )
