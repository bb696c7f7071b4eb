"""Compressed bodies: gzip and zstd, inflated no further than the body's own bound."""

import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from backports import zstd

from ingest.problem import Problem

ACCEPTED: Final = "gzip, zstd"
_NONE: Final = b"identity"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
# RFC 9659: a sender may ask for 8 MiB of window over HTTP and no more.
_ZSTD_OPTIONS: Mapping[int, int] = {zstd.DecompressionParameter.window_log_max: 23}


class _Stream(Protocol):
    """One gzip member or zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_STREAMS: Mapping[bytes, Callable[[], _Stream]] = {
    b"gzip": lambda: zlib.decompressobj(_GZIP_WINDOW),
    b"x-gzip": lambda: zlib.decompressobj(_GZIP_WINDOW),
    b"zstd": lambda: zstd.ZstdDecompressor(options=_ZSTD_OPTIONS),
}


def encoding_of(content_encoding: bytes) -> bytes:
    """The one encoding that a Content-Encoding header names, in lower case; `identity` when there is none.

    Raises:
        Problem: 415, it names another encoding, or several.
    """
    encoding = content_encoding.strip().lower() or _NONE
    if encoding != _NONE and encoding not in _STREAMS:
        detail = f"Content-Encoding may be gzip, zstd, or left out; {encoding.decode('latin-1')[:64]!r} is not taken"
        raise Problem(415, "unsupported-encoding", detail, ((b"accept-encoding", ACCEPTED.encode()),))
    return encoding


def decompressed(body: bytes, encoding: bytes, limit: int) -> bytes | None:
    """The body as it was before `encoding` (of `encoding_of`); None when that is more than `limit` bytes.

    Raises:
        Problem: 400, it is not what the header says, ends early, or is followed by something else.
    """
    if encoding == _NONE:
        return body
    parts: list[bytes] = []
    room = limit + 1
    rest = body
    try:
        # Members of gzip and frames of zstd may follow each other: `cat a.gz b.gz` is a whole.
        while True:
            stream = _STREAMS[encoding]()
            parts.append(stream.decompress(rest, room))
            room -= len(parts[-1])
            if room <= 0:
                return None
            if not stream.eof:
                raise _broken(encoding, "ends before its end")
            rest = stream.unused_data
            if not rest:
                return b"".join(parts)
    except (zlib.error, zstd.ZstdError) as error:
        raise _broken(encoding, f"cannot be read: {error}") from None


def _broken(encoding: bytes, reason: str) -> Problem:
    return Problem(400, "not-decompressible", f"the body's {encoding.decode()} {reason}")
