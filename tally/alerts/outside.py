"""A POST to an address that somebody configured: to public addresses only, checked where the connection is made.

Whatever a name resolves to is judged and then connected to, so a name that resolves to something else a moment later
(DNS rebinding) gains nothing. No redirect is followed, no proxy is used, and the whole call has one time-out.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpcore

from tally.errors import TallyError

TIMEOUT_SECONDS = 8.0
MOST_ANSWER_BYTES = 2_000
# Addresses in which another one is hidden: NAT64 and IPv4-compatible. 6to4 and Teredo are not global to begin with.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(TallyError):
    """The address is not public, and TALLY_ALERT_ALLOW_PRIVATE is off; nothing was sent."""


@dataclass(frozen=True)
class Answer:
    """The status, the beginning of the body, and for how many seconds a busy receiver asks to be left alone."""

    status: int
    text: str
    retry_after: int | None


def post(url: str, body: bytes, headers: dict[str, str], *, allow_private: bool) -> Answer:
    """One POST of JSON.

    Raises:
        AddressRefused: as its docstring says; also for http:// and for a URL that is none.
        httpcore exceptions: no connection, or no whole answer within `TIMEOUT_SECONDS`.
    """
    parts = urlsplit(url)
    if parts.scheme not in ({"http", "https"} if allow_private else {"https"}) or not parts.hostname:
        raise AddressRefused("the address must begin with https:// (http:// needs TALLY_ALERT_ALLOW_PRIVATE=on)")
    backend = _CheckedBackend(time.monotonic() + TIMEOUT_SECONDS, allow_private)
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_SECONDS)
    sent = {
        "Content-Type": "application/json",
        "Connection": "close",
        "Host": parts.netloc.rpartition("@")[2],
        **headers,
    }
    with (
        httpcore.ConnectionPool(network_backend=backend, ssl_context=ssl.create_default_context()) as pool,
        pool.stream("POST", url, headers=list(sent.items()), content=body, extensions={"timeout": timeouts}) as answer,
    ):
        text = b""
        for chunk in answer.iter_stream():
            text += chunk
            if len(text) >= MOST_ANSWER_BYTES:
                break
        named = {name.decode().lower(): value.decode("latin-1") for name, value in answer.headers}
        wait = named.get("retry-after", "")
        shown = text[:MOST_ANSWER_BYTES].decode("utf-8", "replace")
        return Answer(answer.status, shown, int(wait) if wait.isdecimal() else None)


def is_public(address: IPAddress) -> bool:
    """Whether the address is one of the open internet: not private, loopback, link-local, shared or reserved."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(address.packed[-4:]))
        if address.sixtofour is not None or address.teredo is not None:
            return False
        if address in _COMPATIBLE or address in _LOCAL_NAT64:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to nothing but addresses that were judged, until `deadline` (monotonic seconds)."""

    def __init__(self, deadline: float, allow_private: bool) -> None:
        self._deadline = deadline
        self._allow_private = allow_private
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = _resolved(host, port)
        if not self._allow_private and not all(map(is_public, addresses)):
            raise AddressRefused(
                "the address is private, loopback or link-local: TALLY_ALERT_ALLOW_PRIVATE=on allows it"
            )
        for position, address in enumerate(addresses):
            left = _left(self._deadline, httpcore.ConnectTimeout)
            try:
                stream = self._sockets.connect_tcp(str(address), port, left, local_address, socket_options)
                return _TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses) - 1:
                    raise
        raise httpcore.ConnectError("the name has no address")


class _TimedStream(httpcore.NetworkStream):
    """A stream whose calls all end by one deadline: a receiver that drips bytes does not hold us."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, httpcore.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _resolved(host: str, port: int) -> list[IPAddress]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpcore.ConnectError("the name of the address does not resolve") from None
    # An IPv6 address may carry its zone (fe80::1%eth0), which is no part of the judgement.
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


def _left(deadline: float, late: type[Exception]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("no answer in time")
    return left
