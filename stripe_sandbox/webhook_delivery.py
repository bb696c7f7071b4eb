"""Sending events to their endpoints: signed like Stripe's, tried again with growing pauses, never twice at once."""

import asyncio
import hashlib
import hmac
import json
import sqlite3
import urllib.request

from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace, public

TIMEOUT_SECONDS = 5
PARALLEL = 4


def signature_header(body: str, secret: str, timestamp: int) -> str:
    """The Stripe-Signature header: HMAC-SHA256 over `timestamp.body`."""
    digest = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def post(url: str, body: str, signature: str) -> bool:
    """True when the endpoint answered 2xx."""
    headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}
    request = urllib.request.Request(url, data=body.encode(), headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return bool(200 <= answer.status < 300)
    except (OSError, ValueError):  # refused, timed out, not 2xx, or not a URL at all
        return False


async def deliver_due(workspace: Workspace) -> None:
    due = workspace.state.rows(
        "select * from webhook_deliveries where next_attempt_at <= ? order by seq limit ?",
        (workspace.clock.now(), PARALLEL),
    )
    await asyncio.gather(*(_deliver(workspace, row) for row in due))


async def _deliver(workspace: Workspace, row: sqlite3.Row) -> None:
    destination, event = (_object(workspace, row["namespace"], row[name]) for name in ("destination", "event"))
    next_attempt_at: float | None = None
    if destination is not None and event is not None:
        body = json.dumps(_body(event))
        url = destination.get("url") or destination["_url"]
        # The receiver compares with its own clock, so the machine's time signs, not the sandbox's.
        signature = signature_header(body, destination["_secret"], int(workspace.clock.machine_now()))
        if not await asyncio.to_thread(post, url, body, signature):
            attempts = row["attempts"] + 1
            if attempts < workspace.settings.webhook_attempts:
                pause = workspace.settings.webhook_backoff_seconds * 2 ** row["attempts"]
                next_attempt_at = workspace.clock.now() + pause
    workspace.state.execute(
        "update webhook_deliveries set attempts = attempts + 1, next_attempt_at = ? where seq = ?",
        (next_attempt_at, row["seq"]),
    )


def _body(event: Json) -> Json:
    """A thin event travels without its data; that is fetched."""
    shown = public(event)
    return {name: value for name, value in shown.items() if event["object"] == "event" or name != "data"}


def _object(workspace: Workspace, namespace: str, object_id: str) -> Json | None:
    row = workspace.state.row("select body from objects where namespace = ? and id = ?", (namespace, object_id))
    return json.loads(row["body"]) if row else None
