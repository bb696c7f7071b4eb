"""One id from a posted event over the tick to the push, as a real receiver is told; and tracing in nobody's way."""

import logging
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest
from otlp_receiver import Receiver
from traced_stack import CUSTOMER, TENANT, Stack, usage

from tally.database import connect
from tally.ledger import Ledger
from tally.tracing.links import MOST_A_TICK, take_links

CALLER = "00f067aa0ba902b7"
FIRST, SECOND = "4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4737"
# docs/tracing.md names them, and what they hold.
DOCUMENTED = {
    "http.request.method", "http.response.status_code", "http.route", "stripe.request_id", "tally.attempt",
    "tally.counters_moved", "tally.events_accepted", "tally.events_counted", "tally.events_looked_at",
    "tally.events_rejected", "tally.intent_id", "tally.metric", "tally.new_events", "tally.outcome",
    "tally.request_id", "tally.tenant_id", "tally.xid",
}  # fmt: skip


def given(trace: str, sampled: bool = True) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{CALLER}-0{int(sampled)}"}


def test_one_id_leads_from_the_door_over_the_tick_to_the_push(stack: Callable[..., Stack], receiver: Receiver) -> None:
    traced = stack(TALLY_TRACES="on")
    with traced.door() as door:
        # The short way, and beside it the ordinary one, with a traceparent that is none; and one that nobody follows.
        assert door.post("/v1/events", json=usage("a"), headers=given(FIRST)).status_code == 200
        broken = {"traceparent": "00-zz-not-a-trace", "idempotency-key": "b"}
        assert door.post("/v1/events", json={"events": [usage("b")]}, headers=broken).status_code == 200
        assert door.post("/v1/events", json=usage("c"), headers=given("6" * 32, sampled=False)).status_code == 200
        assert door.post("/v1/events", json=usage("d") | {"quantity": "no"}).status_code == 400
        assert traced.count("tally.trace_links") == 2
        traced.tick()
        assert traced.push().confirmed == 1

        doors = {}
        for _ in range(200):
            doors = {span.trace: span for span in receiver.spans() if span.service == "tallyledger-door"}
            if len(doors) == 3:
                break
            sleep(0.05)
        posted, begun = doors.pop(FIRST), next(span for span in doors.values() if not span.is_error)
        assert (posted.parent, begun.parent) == (CALLER, "")
        intent = traced.connection.execute("select intent_id::text from tally.push_intents").fetchone()
        for at_door in (posted, begun):
            ticked, pushed = receiver.named("tick", at_door.trace), receiver.named("push", at_door.trace)
            assert (ticked.parent, pushed.parent) == (at_door.span, ticked.span)
            assert (ticked.service, pushed.service) == ("tallyledger-ledger", "tallyledger-push")
            assert (ticked.attributes["tally.events_counted"], ticked.attributes["tally.counters_moved"]) == (1, 1)
            assert (pushed.attributes["tally.intent_id"],) == intent
            assert pushed.attributes["tally.outcome"] == "accepted"
        whole = receiver.named("ledger tick")
        assert {posted.span, begun.span} <= whole.links
        assert "6" * 32 not in {span.trace for span in receiver.spans()}

        # The next event's trace ends at its own intent, and no earlier trace goes on with that one.
        assert door.post("/v1/events", json=usage("e"), headers=given(SECOND)).status_code == 200
        assert door.post("/v1/events", json=usage("a"), headers=given("7" * 32)).status_code == 200  # a repeat
        traced.tick()
        assert traced.push().confirmed == 1
        assert receiver.named("push", SECOND).attributes["tally.intent_id"] != intent[0]  # type: ignore[index]
        assert receiver.named("push", FIRST)
        repeat = receiver.named("tick", "7" * 32)
        assert (repeat.attributes["tally.events_looked_at"], repeat.attributes["tally.events_counted"]) == (1, 0)
        assert [span for span in receiver.spans("7" * 32) if span.name == "push"] == []
    assert traced.count("tally.trace_links") == 0
    assert {key for span in receiver.spans() for key in span.attributes} == DOCUMENTED
    assert CUSTOMER.encode() not in b"".join(receiver.bodies)
    assert traced.key.encode() not in b"".join(receiver.bodies)


def test_a_dead_receiver_is_in_nobodys_way(
    stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://someone:pass-word@127.0.0.1:{free_port}/")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20very-secret")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setattr(logging.getLogger("opentelemetry"), "handlers", [])  # none has complained within the minute
    traced = stack(TALLY_TRACES="on")
    began = monotonic()
    with traced.door() as door:
        for number in range(20):
            assert door.post("/v1/events", json=usage(f"k-{number}")).status_code == 200
        traced.tick()
        delivery = traced.push()
    assert (delivery.confirmed, delivery.left) == (1, {})
    assert traced.connection.execute("select value from marts.usage_counters").fetchone() == (20,)
    assert monotonic() - began < 30
    assert "traces:" in caplog.text
    assert "very-secret" not in caplog.text
    assert "pass-word" not in caplog.text


def test_links_are_few_and_rows_land_without_them(stack: Callable[..., Stack], receiver: Receiver) -> None:
    traced = stack(TALLY_TRACES="on")
    with (
        traced.door() as door,
        connect(traced.url) as blocker,
        ThreadPoolExecutor(24) as pool,
    ):
        assert door.post("/v1/events", json=usage("warm")).status_code == 200
        blocker.execute("lock table raw.usage_events")
        posts = [pool.submit(door.post, "/v1/events", json=usage(f"k-{number}")) for number in range(24)]
        sleep(0.5)
        blocker.rollback()
        assert {post.result().status_code for post in posts} == {200}
        links = traced.connection.execute("select count(*) from tally.trace_links group by xid").fetchall()
        commits = traced.connection.execute("select count(*) from raw.usage_events group by xid").fetchall()
        assert max(commits)[0] > max(links)[0] == 5

        traced.connection.execute(
            "insert into tally.trace_links (tenant_id, traceparent, idempotency_keys)"
            " select %s, '00-' || lpad(n::text, 32, 'a') || %s, '{x}' from generate_series(1, 25) as n",
            (TENANT, f"-{CALLER}-01"),
        )
        assert len(take_links(traced.connection, "0", "18446744073709551615")) == MOST_A_TICK
        assert traced.count("tally.trace_links") == 0

        traced.connection.execute("drop table tally.trace_links")
        assert door.post("/v1/events", json=usage("last"), headers=given(FIRST)).status_code == 200
        assert traced.count("raw.usage_events") == 26


def test_off_nothing_is_linked_and_nothing_of_opentelemetry_is_loaded(stack: Callable[..., Stack]) -> None:
    plain = stack()
    with plain.door() as door:
        assert door.post("/v1/events", json=usage("a"), headers=given(FIRST)).status_code == 200
    assert (plain.count("raw.usage_events"), plain.count("tally.trace_links")) == (1, 0)
    assert type(plain.ledger) is Ledger
    code = """
import sys
import dagster_project.resident_loop, tally.cli.app, tally.push, tally.tracing
from ingest.server import configuration
from tally.settings import Settings
configuration(Settings(), "postgresql://nobody@127.0.0.1:1/nowhere")
print(*(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
