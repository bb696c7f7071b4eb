"""Something between us and Stripe that changes one pushed value: a broken proxy, say."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Message, Receive, Callable[[Message], Awaitable[None]]], Awaitable[None]]


class AlteredInFlight:
    """ASGI middleware: replaces `value` in meter events that carry `old` for a customer, where `armed` says so."""

    def __init__(self) -> None:
        self.armed: dict[tuple[str, str], str] = {}
        self.altered = 0

    def __call__(self, application: Application) -> Application:
        async def wrapped(scope: Message, receive: Receive, send: Callable[[Message], Awaitable[None]]) -> None:
            if scope["type"] != "http" or scope["path"] != "/v1/billing/meter_events":
                await application(scope, receive, send)
                return
            message = await receive()
            while message.get("more_body"):
                message = {**message, **(more := await receive()), "body": message["body"] + more["body"]}
            body = self._altered(message["body"])
            headers = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
            pending = [{**message, "body": body}]

            async def replay() -> Message:
                return pending.pop() if pending else await receive()

            await application({**scope, "headers": headers}, replay, send)

        return wrapped

    def _altered(self, body: bytes) -> bytes:
        fields = dict(parse_qsl(body.decode()))
        key = (fields["payload[stripe_customer_id]"], fields["event_name"])
        if key in self.armed:
            fields["payload[value]"] = self.armed.pop(key)
            self.altered += 1
        return urlencode(fields).encode()
