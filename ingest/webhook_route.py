"""POST /webhooks/stripe/{account}: what Stripe has to tell is kept, and answered once it is on disk.

It is outside /v1, whose routes take API keys: here Stripe's signature is the key. Nothing is handled here. Stripe sends
an event again until it gets a 2xx, and may send it twice anyway, so the same event lands once.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from ingest.answering import answer
from ingest.asgi import Receive, Scope, Send
from ingest.link import DatabaseLost, Link
from ingest.logs import log
from ingest.metrics import Metrics
from ingest.problem import Problem, unavailable
from ingest.request_body import read_body
from ingest.request_id import request_id
from ingest.route import Reply
from tally.webhook_secrets import WebhookSecret

if TYPE_CHECKING:
    from ingest.webhook_event import WebhookEvent

PREFIX = "/webhooks/"
PATH = "/webhooks/stripe/{account}"
# Stripe's events are some kilobytes: an invoice carries its first ten lines.
MAX_BODY_BYTES = 524_288
_STORE = """
insert into tally.stripe_webhooks (account, livemode, event_id, payload, type, object_id, created_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing
returning event_id
"""


class WebhookRoute:
    """Keeps webhooks of the accounts that have secrets, over a connection of its own."""

    def __init__(self, secrets: Mapping[str, Sequence[WebhookSecret]], link: Link, metrics: Metrics) -> None:
        self._secrets = secrets
        self._link = link
        self._metrics = metrics
        if secrets:
            # Now, not at the first webhook: the SDK takes a quarter of a second to load, and 30 MB.
            import ingest.webhook_event  # noqa: F401

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        request = request_id(headers.get(b"x-request-id"))
        is_there = _account_in(scope["path"]) is not None
        label = PATH if is_there else "other"
        await answer(self._answered(scope, headers, receive, request), send, request, label, self._metrics)

    async def _answered(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, request: str) -> Reply:
        account = _account_in(scope["path"])
        if account is None:
            detail = f"there is nothing at {scope['path']}; the routes are listed at /docs"
            raise Problem(404, "not-found", detail)
        if scope["method"] != "POST":
            raise Problem(405, "method-not-allowed", f"{PATH} takes POST", ((b"allow", b"POST"),))
        secrets = self._secrets.get(account)
        if secrets is None:
            raise Problem(404, "no-webhook-secret", "STRIPE_WEBHOOK_SECRETS has no secret of this account")
        from ingest.webhook_event import webhook_event

        body = await read_body(headers, receive, MAX_BODY_BYTES)
        event = webhook_event(body, headers.get(b"stripe-signature"), account, secrets)
        is_new = await self._stored(event, request)
        log.info("webhook", request_id=request, stripe_event=event.event_id, type=event.type, duplicate=not is_new)
        return Reply(msgspec.json.encode({"received": event.event_id, "duplicate": not is_new}))

    async def _stored(self, event: "WebhookEvent", request: str) -> bool:
        """Whether it is new; it is committed in any case."""
        try:
            return bool(await self._link.fetch(_STORE, *msgspec.structs.astuple(event)))
        except DatabaseLost as lost:
            log.error("database_lost", request_id=request, cause=lost.cause)
            detail = "the database does not answer in time; Stripe sends the event again"
            raise unavailable("database-lost", detail, "unknown") from None


def _account_in(path: str) -> str | None:
    head, _, account = path.rpartition("/")
    return unquote(account) if head == "/webhooks/stripe" and account else None
