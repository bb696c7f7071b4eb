"""POST /webhooks/stripe/{account}: only what Stripe signed is kept, once, and answered when it is on disk."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
import stripe
from door_caller import Caller

from tally.database import connect

OLD, NEW, LIVE, CONNECTED = ("whsec_" + name * 8 for name in ("old1", "new1", "live", "conn"))
SECRETS = f"self:test:{OLD} self:test:{NEW} self:live:{LIVE} acct_1:test:{CONNECTED}"
_STORED = "select account, livemode, event_id, payload, type, object_id, state from tally.stripe_webhooks"


def snapshot(event_id: str = "evt_1", **changes: Any) -> dict[str, Any]:
    return {
        "id": event_id,
        "object": "event",
        "type": "invoice.finalized",
        "created": 1_700_000_000,
        "livemode": False,
        "data": {"object": {"id": "in_1", "object": "invoice", "customer_email": "jo@globex.example"}},
        **changes,
    }


def thin(event_id: str = "evt_test_2", **changes: Any) -> dict[str, Any]:
    return {
        "id": event_id,
        "object": "v2.core.event",
        "type": "v1.billing.meter.error_report_triggered",
        "created": "2024-03-01T08:30:15.250Z",
        "livemode": False,
        "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
        **changes,
    }


def post(door: httpx.Client, event: Any, secret: str = NEW, account: str = "self", **how: Any) -> httpx.Response:
    """Post what is signed; `age` seconds ago, or with the `header` given."""
    body = event if isinstance(event, str) else json.dumps(event)
    moment = int(time.time()) - how.get("age", 0)
    made = stripe.WebhookSignature.generate_signature_header(body, secret, moment)
    header = how.get("header", made)
    headers = {"content-type": "application/json"} | ({} if header is None else {"stripe-signature": header})
    return door.post(f"/webhooks/stripe/{account}", content=body, headers=headers)


@pytest.fixture
def taking(call: Callable[..., Caller]) -> Caller:
    """A door that takes webhooks."""
    return call(STRIPE_WEBHOOK_SECRETS=SECRETS)


def test_each_event_is_kept_once_by_name_whichever_secret_signed_it(taking: Caller) -> None:
    answers = [
        post(taking.http, snapshot(), OLD),
        post(taking.http, snapshot(), NEW),
        post(taking.http, thin()),
        post(taking.http, snapshot("evt_1", livemode=True), LIVE),
        post(taking.http, snapshot("evt_3", account="acct_1")),
        post(taking.http, snapshot("evt_4"), CONNECTED, "acct_1"),
        post(taking.http, thin("evt_5", context="acct_1"), CONNECTED, "acct_1"),
    ]
    assert [answer.status_code for answer in answers] == [200] * 7, [answer.text for answer in answers]
    assert [answer.json()["duplicate"] for answer in answers] == [False, True, False, False, False, False, False]
    kept = taking.connection.execute(_STORED).fetchall()
    invoice, report = "invoice.finalized", "v1.billing.meter.error_report_triggered"
    assert sorted(kept) == sorted(
        [
            ("self", False, "evt_1", "snapshot", invoice, "in_1", "received"),
            ("self", True, "evt_1", "snapshot", invoice, "in_1", "received"),
            ("self", False, "evt_test_2", "thin", report, "mtr_1", "received"),
            ("acct_1", False, "evt_3", "snapshot", invoice, "in_1", "received"),
            ("acct_1", False, "evt_4", "snapshot", invoice, "in_1", "received"),
            ("acct_1", False, "evt_5", "thin", report, "mtr_1", "received"),
        ]
    )
    rows = taking.connection.execute("select row_to_json(w)::text from tally.stripe_webhooks as w").fetchall()
    assert not any("globex" in row for (row,) in rows)  # names only: no body is kept


def test_what_stripe_did_not_sign_for_this_account_and_mode_now_is_refused(taking: Caller) -> None:
    door, good = taking.http, snapshot()
    body = json.dumps(good)
    signed = stripe.WebhookSignature.generate_signature_header(body, NEW)
    refused = {
        "signature-missing": [post(door, good, header=None)],
        "signature-invalid": [
            post(door, good, "whsec_other"),
            post(door, good, LIVE, "acct_1"),
            post(door, snapshot("evt_9"), header=signed),
            post(door, good, header=signed.replace("v1=", "v0=")),
            post(door, good, header=b"t=1,v1=\xe9\xff"),
            post(door, good, header="t=,v1="),
        ],
        "signature-expired": [post(door, good, age=310)],
        "wrong-mode": [post(door, good, LIVE), post(door, thin(livemode=True), OLD)],
        "wrong-account": [
            post(door, snapshot(account="acct_2"), CONNECTED, "acct_1"),
            post(door, thin(context="acct_2"), CONNECTED, "acct_1"),
            post(door, snapshot(account="../self")),
        ],
        "not-an-event": [
            post(door, "[]"),
            post(door, "{"),
            post(door, snapshot(object="charge")),
            post(door, snapshot("evt_" + "x" * 300)),
            post(door, snapshot(type="in\u0000voice")),
            post(door, snapshot(created="now")),
        ],
        "no-webhook-secret": [post(door, good, NEW, "acct_2")],
        "body-too-large": [post(door, snapshot(padding="x" * 524_288))],
    }
    for code, answers in refused.items():
        for answer in answers:
            assert answer.json()["type"] == f"urn:tallyledger:problem:{code}", answer.text
            assert not any(secret in answer.text for secret in (OLD, NEW, LIVE, CONNECTED))
    assert post(door, good, age=290).status_code == 200  # it was the age, and nothing else
    assert taking.connection.execute("select count(*) from tally.stripe_webhooks").fetchone() == (1,)


def test_without_secrets_nothing_is_taken(door: Caller) -> None:
    assert post(door.http, snapshot()).status_code == 404


@contextmanager
def door_process(url: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    environment = {**os.environ, "DATABASE_URL": url, "TALLY_DOOR_PORT": "0", "STRIPE_WEBHOOK_SECRETS": SECRETS}
    command = [sys.executable, "-m", "ingest"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as door:
        try:
            assert door.stdout is not None
            with httpx.Client(base_url=door.stdout.readline().split()[-1], timeout=20) as client:
                yield door, client
        finally:
            door.kill()


def test_a_door_that_dies_between_commit_and_answer_is_sent_the_event_again_and_keeps_it_once(
    database_url: str, connection: psycopg.Connection
) -> None:
    count = "select count(*) from tally.stripe_webhooks"
    with connect(database_url) as blocker, ThreadPoolExecutor(1) as pool:
        with door_process(database_url) as (door, client):
            blocker.execute(  # the door's own insert waits for the outcome of this one
                "insert into tally.stripe_webhooks (account, livemode, event_id, payload, type, created_at)"
                " values ('self', false, 'evt_1', 'snapshot', 'x', now())"
            )
            answer = pool.submit(post, client, snapshot())
            until(lambda: bool(connection.execute("select from pg_locks where not granted").fetchall()))
            assert not answer.done()  # nothing is answered before the commit
            door.send_signal(signal.SIGSTOP)
            blocker.rollback()  # Postgres commits; the door does not get to know
            until(lambda: connection.execute(count).fetchone() == (1,))
            door.kill()
            with pytest.raises(httpx.TransportError):
                answer.result()
        with door_process(database_url) as (door, client):
            again = post(client, snapshot())
            assert (again.status_code, again.json()["duplicate"]) == (200, True)
            door.send_signal(signal.SIGTERM)
            door.wait(20)
            assert door.stderr is not None
            logs = door.stderr.read()
    assert connection.execute(count).fetchone() == (1,)
    assert "evt_1" in logs
    assert not any(secret in logs for secret in (OLD, NEW, LIVE, CONNECTED))
    assert "globex" not in logs


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
