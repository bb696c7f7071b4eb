"""Reading a request's body within its bounds."""

import asyncio
from collections.abc import Mapping

from ingest.asgi import Receive
from ingest.problem import Problem

READ_SECONDS = 30


class ClientGone(Exception):
    """The client hung up before its request was whole."""


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The body, at most `limit` bytes.

    Raises:
        Problem: 415 for another media type or a compressed body, 413 when it is larger, 408 when it stalls.
        ClientGone: the connection closed first.
    """
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != b"application/json":
        raise Problem(415, "unsupported-media-type", "send JSON with the header Content-Type: application/json")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Problem(415, "unsupported-media-type", "compressed bodies are not taken: leave Content-Encoding out")
    # The server has checked that a content-length is a number.
    if int(headers.get(b"content-length", b"0")) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(READ_SECONDS):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise _too_large(limit)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Problem(408, "body-too-slow", f"the body did not arrive within {READ_SECONDS} seconds") from None
    return b"".join(parts)


def _too_large(limit: int) -> Problem:
    return Problem(
        413, "body-too-large", f"the body is larger than {limit} bytes: send the events in smaller batches", limit=limit
    )
