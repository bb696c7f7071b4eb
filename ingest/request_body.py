"""Reading a request's body within its bounds. How long it may take is the connection's to watch."""

from collections.abc import Mapping

from ingest.asgi import Receive
from ingest.compression import decompressed, encoding_of
from ingest.problem import Problem


class ClientGone(Exception):
    """The client hung up before its request was whole."""


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The body as its media type has it, at most `limit` bytes, compressed and decompressed.

    Raises:
        Problem: 415 for another compression, 413 when larger, 400 when it does not decompress.
        ClientGone: the connection closed first, or was given up as too slow.
    """
    encoding = encoding_of(headers.get(b"content-encoding", b""))
    # The server has checked that a content-length is a number.
    if int(headers.get(b"content-length", b"0")) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
    body = decompressed(b"".join(parts), encoding, limit)
    if body is None:
        raise _too_large(limit)
    return body


def media_type_of(headers: Mapping[bytes, bytes]) -> bytes:
    """The media type of the body, in lower case without parameters; empty when none is given."""
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _too_large(limit: int) -> Problem:
    return Problem(
        413, "body-too-large", f"the body is larger than {limit} bytes: send the events in smaller batches", limit=limit
    )
