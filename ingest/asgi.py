"""What passes between the server and the door's routes, and the one way an answer is sent."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]


async def respond(
    send: Send, status: int, media_type: bytes, request_id: bytes, body: bytes, headers: Headers = ()
) -> None:
    """Send a whole answer."""
    length = str(len(body)).encode()
    fixed = ((b"content-type", media_type), (b"content-length", length), (b"x-request-id", request_id))
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
