"""From the door's answer to the counter: a door, the resident loop with Dagster and dbt, usage that keeps coming."""

import http.client
import itertools
import os
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import msgspec
from rich.console import Console

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tests.benchmarks.bars import Bar, at_least, at_most
from tests.benchmarks.ingest.bodies import METRICS
from tests.benchmarks.ingest.stage import Door, door

EVENTS_A_SECOND = 2_000
CUSTOMERS = 1_000
_EVENTS_A_REQUEST = 100
_WARM_SECONDS = 10.0
_BOUND = "select read_to::text::bigint from tally.model_bounds where model = 'ledger.int_usage_counters'"


@dataclass
class Sent:
    """What the door has acknowledged: when, by request, and what it must come to, by (customer, metric)."""

    accepted: list[float] = field(default_factory=list)
    totals: defaultdict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))


def measure_freshness(postgres: EmbeddedPostgres, folder: Path, seconds: float, console: Console) -> list[Bar]:
    """Latency of each event: from the answer that it was taken to the commit after which its counter has it."""
    with door(postgres, "freshness") as opened, _loop(opened, folder), _watch(opened.database_url) as commits:
        _wait_for(lambda: bool(commits), 120, "the loop did not count")
        sent = Sent()
        _send(opened, sent, _WARM_SECONDS, 0)
        started = len(commits)
        warm_requests = len(sent.accepted)
        _send(opened, sent, seconds, 1)
        _wait_for(lambda: _counted(opened.database_url) == _landed(opened.database_url), 60, "the loop fell behind")
        latencies = _latencies(opened.database_url, sent.accepted[warm_requests:], commits)
        wrong = _wrong(opened.database_url, sent)
        moments = [moment for moment, _ in commits[started:]]
        cycle = median(later - earlier for earlier, later in itertools.pairwise(moments))
    accepted = sent.accepted[warm_requests:]
    rate = len(latencies) / (accepted[-1] - accepted[0])
    ordered = sorted(latencies)
    p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    console.print(
        f"{rate:,.0f} events/s of {CUSTOMERS:,} customers through the door: right in the counter after {p50:.2f} s"
        f" (p50), {p99:.2f} s (p99), {ordered[-1]:.2f} s (longest); counters commit every {cycle:.2f} s"
    )
    return [
        at_most("accepted to counted under the resident loop, p99", p99, "s", 5),
        at_least("accepted meanwhile", rate, "events/s", 0.98 * EVENTS_A_SECOND),
        at_most("counters that are not what was accepted", wrong, "counters", 0),
    ]


def _send(opened: Door, sent: Sent, seconds: float, run: int) -> None:
    """Requests when they are due, one after the other; one that comes late is made up for."""
    place = urlsplit(opened.address)
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    headers = {"authorization": f"Bearer {opened.api_key}", "content-type": "application/json"}
    started = time.perf_counter()
    for request in range(int(seconds * EVENTS_A_SECOND / _EVENTS_A_REQUEST)):
        time.sleep(max(0.0, started + request * _EVENTS_A_REQUEST / EVENTS_A_SECOND - time.perf_counter()))
        events = [_event(run, request, number) for number in range(_EVENTS_A_REQUEST)]
        connection.request("POST", "/v1/events", msgspec.json.encode({"events": events}), headers)
        answer = connection.getresponse()
        said = answer.read()
        sent.accepted.append(time.perf_counter())
        if answer.status != 200:
            raise RuntimeError(f"the door said {answer.status}: {said[:200]!r}")
        for event in events:
            sent.totals[event["customer_ref"], event["metric"]] += Decimal(event["quantity"])
    connection.close()


def _event(run: int, request: int, number: int) -> dict[str, str]:
    place = request * _EVENTS_A_REQUEST + number
    return {
        "idempotency_key": f"{run}-{request}-{number}",
        "customer_ref": f"customer-{place * 7919 % CUSTOMERS:04}",
        "metric": METRICS[place // CUSTOMERS % len(METRICS)],
        "quantity": f"{place % 1000}.{place % 7}",
        "event_time": datetime.now(UTC).isoformat(),
    }


@contextmanager
def _loop(opened: Door, folder: Path) -> Iterator[None]:
    environment = {
        **os.environ,
        "DATABASE_URL": opened.database_url,
        "TALLY_HOME": str(folder / "home"),
        "TALLY_LOG_LEVEL": "WARNING",
    }
    with subprocess.Popen([sys.executable, "-m", "dagster_project.loop"], env=environment) as process:
        try:
            yield
            if process.poll() is not None:
                raise RuntimeError(f"the loop ended by itself, with exit code {process.returncode}")
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def _watch(url: str) -> Iterator[list[tuple[float, int]]]:
    """When the counters' bound was first seen to have moved, and to which landing transaction; looks every 10 ms."""
    commits: list[tuple[float, int]] = []
    stop = threading.Event()

    def watch() -> None:
        with connect(url, autocommit=True) as connection:
            while not stop.wait(0.01):
                row = connection.execute(_BOUND).fetchone()
                if row is not None and row[0] and (not commits or row[0] > commits[-1][1]):
                    commits.append((time.perf_counter(), row[0]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield commits
    finally:
        stop.set()
        watcher.join()


def _latencies(url: str, accepted: list[float], commits: list[tuple[float, int]]) -> list[float]:
    """Seconds, an item an event; the events of a request landed together."""
    with connect(url) as connection:
        landed = dict(
            connection.execute(
                "select split_part(idempotency_key, '-', 2)::integer, max(xid::text::bigint) from raw.usage_events"
                " where idempotency_key like '1-%' group by 1"
            ).fetchall()
        )
    bounds = [bound for _, bound in commits]
    latencies = []
    for request, moment in enumerate(accepted):
        # The bound is exclusive: the first one above the request's transaction.
        latencies += [commits[bisect_right(bounds, landed[request])][0] - moment] * _EVENTS_A_REQUEST
    return latencies


def _wrong(url: str, sent: Sent) -> int:
    """Counters whose value, as everybody reads it, is not the sum of the quantities that the door acknowledged."""
    with connect(url) as connection:
        rows = connection.execute(
            "select customer_ref, metric, sum(value) from marts.usage_counters group by 1, 2"
        ).fetchall()
    counted = {(customer, metric): value for customer, metric, value in rows}
    return sum(counted.get(key) != sent.totals.get(key) for key in counted.keys() | sent.totals.keys())


def _counted(url: str) -> object:
    with connect(url) as connection:
        return connection.execute(
            "select coalesce(sum(event_count), 0)::bigint from ledger.int_usage_counters"
        ).fetchone()


def _landed(url: str) -> object:
    with connect(url) as connection:
        return connection.execute("select count(*) from raw.usage_events").fetchone()


def _wait_for(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {seconds:g} s")
        time.sleep(0.1)
