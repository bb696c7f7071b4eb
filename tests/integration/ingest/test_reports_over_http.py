"""GET /v1/reports: a program reads the kept reports of its own tenant, line by line, as each run found them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from counter_rows import put_counter
from door_caller import Caller, running_door

from tally.api_keys import create_key
from tally.clock import FixedClock
from tally.database import connect
from tally.reports import make_report, prune, read_kept
from tally.reports.line_documents import document_of
from tally.settings import Settings

MARCH = (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
CLOCK = FixedClock(MARCH[0] + timedelta(days=3))


@pytest.fixture
def reader(built_database_url: str, tmp_path: Path) -> Iterator[Caller]:
    """Three runs of acme between which lines come, change and go; one of another tenant."""
    with connect(built_database_url, autocommit=True) as connection, ExitStack() as stack:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme'), ('other', 'Other')")
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation) select tenant_id, 'calls', 'sum'"
            " from tally.tenants"
        )
        connection.execute("insert into tally.customers values ('acme', 'globex', 'Globex')")
        for number in range(5):
            put_counter(connection, "acme", f"customer-{number}", "calls", number, MARCH)
        put_counter(connection, "acme", "globex", "calls", 12, MARCH)
        make_report(connection, "acme", CLOCK, MARCH)
        put_counter(connection, "acme", "globex", "calls", 13, MARCH)
        make_report(connection, "acme", CLOCK, MARCH)
        connection.execute("delete from ledger.int_usage_counters where customer_ref = 'customer-2'")
        make_report(connection, "acme", CLOCK, MARCH)
        put_counter(connection, "other", "secret", "calls", 1, MARCH)
        make_report(connection, "other", CLOCK, MARCH)
        settings = {"DATABASE_URL": built_database_url, "TALLY_HOME": tmp_path, "TALLY_DOOR_PORT": 0}
        url = stack.enter_context(running_door(Settings.model_validate(settings)))
        key = create_key(connection, "acme", "reader", ["usage:read"])
        client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30)
        yield Caller(stack.enter_context(client), connection)


def reports(caller: Caller, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = caller.http.get("/v1/reports", params=query).raise_for_status().json()
        found += page["reports"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def lines(caller: Caller, run_id: int, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        answer = caller.http.get(f"/v1/reports/{run_id}", params=query).raise_for_status()
        assert answer.headers["content-type"] == "application/x-ndjson"
        page = [json.loads(line) for line in answer.text.splitlines()]
        assert len(page) <= limit
        found += page
        if "x-next-cursor" not in answer.headers:
            return found
        query["cursor"] = answer.headers["x-next-cursor"]


@pytest.mark.parametrize("limit", [1, 1000])
def test_every_report_is_read_as_it_was_made(reader: Caller, limit: int) -> None:
    listed = reports(reader, limit)
    assert len(listed) == 3
    assert [run["run_id"] for run in listed] == sorted((run["run_id"] for run in listed), reverse=True)
    assert {datetime.fromisoformat(run["made_at"]) for run in listed} == {CLOCK.at}
    for run in listed:
        kept = read_kept(reader.connection, "acme", run["run_id"])
        assert run["verdict"] == kept.summary.verdict
        found = lines(reader, run["run_id"], limit)
        assert {line.pop("customer_name") for line in found} == {"", "Globex"}
        wanted = {(line.customer_ref, line.metric): document_of(line) for line in kept.lines}
        assert [line["customer_ref"] for line in found] == sorted(key[0] for key in wanted)
        assert {(line["customer_ref"], line["metric"]): line for line in found} == wanted
        assert sum(run[verdict] for verdict in ("ok", "breaks", "missing", "unmapped")) == len(found)


def test_what_is_not_there_is_refused_by_name(reader: Caller) -> None:
    runs = reader.connection.execute("select run_id from tally.report_runs where tenant_id = 'other'").fetchone()
    assert runs is not None
    newest, *_, oldest = [run["run_id"] for run in reports(reader, 10)]
    prune(reader.connection, "acme", CLOCK.at + timedelta(seconds=1), dry_run=False)
    cursor = reader.http.get("/v1/reports?limit=1").json()["next_cursor"]
    for address, status, code in (
        (f"/v1/reports/{runs[0]}", 404, "no-such-report"),  # another tenant's
        (f"/v1/reports/{oldest}", 410, "lines-pruned"),
        ("/v1/reports/first", 400, "bad-parameter"),
        (f"/v1/reports/{newest}?cursor={cursor}", 400, "bad-parameter"),  # of the list, not of lines
        ("/v1/reports?cursor=WzBd", 400, "bad-parameter"),
    ):
        answer = reader.http.get(address)
        assert (answer.status_code, answer.json()["type"]) == (status, f"urn:tallyledger:problem:{code}"), answer.text
    assert [run["lines_kept"] for run in reports(reader, 10)] == [True, False, False]
