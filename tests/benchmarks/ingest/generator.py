"""`python -m tests.benchmarks.ingest.generator`: a plan on stdin, its outcome on stdout.

A process of its own that does as little as it can for each request, since it shares the machine with what it measures.
"""

import asyncio
import sys
from array import array
from collections import Counter
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import IO, cast

import msgspec
import uvloop

from tests.benchmarks.ingest.bodies import PLACEHOLDER, body, request_id
from tests.benchmarks.ingest.plan import Latency, Outcome, Plan, Stream

ANSWER_SECONDS = 60


class Book:
    """What all clients of a plan have seen."""

    def __init__(self, plan: Plan, acknowledged: IO[bytes]) -> None:
        self.plan = plan
        self.acknowledged = acknowledged
        self.slices = [array("d") for _ in range(int(plan.seconds // plan.slice_seconds) + 1)]
        self.refused: Counter[int] = Counter()
        self.requests = 0
        self.events = 0
        self.start = 0.0
        self.end = 0.0

    def note(self, due: float, now: float, status: int, request: bytes, events: int) -> None:
        self.requests += 1
        self.slices[int((due - self.start) // self.plan.slice_seconds)].append(now - due)
        if status == 200:
            self.events += events
            if events:
                self.acknowledged.write(b"%b\t%d\n" % (request, events))
        else:
            self.refused[status] += 1

    def outcome(self, seconds: float) -> Outcome:
        everything = array("d")
        for part in self.slices:
            everything.extend(part)
        slices = [_latency(part) for part in self.slices if part]
        return Outcome(self.requests, self.events, seconds, _latency(everything), slices, dict(self.refused))


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, book: Book, stream: Stream, number: int, first_due: float) -> None:
        self._book = book
        self._stream = stream
        self._number = number
        self._pause = None if stream.per_second is None else stream.clients / stream.per_second
        self._due = first_due
        self._sent = 0
        self._request = b""
        self._received = b""
        self._head, self._body = _request_parts(book.plan, stream)
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not say so

    def begin(self) -> None:
        """Send the first request when it is due."""
        self._due += self._book.start
        asyncio.get_running_loop().call_later(max(0.0, self._due - perf_counter()), self._send)

    def _send(self) -> None:
        self._request = request_id(self._book.plan.run, self._number, self._sent)
        self._sent += 1
        if self._pause is None:
            self._due = perf_counter()
        self._transport.write(self._head + self._body.replace(PLACEHOLDER, self._request))

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        length = received.find(b"content-length: ", 0, end)
        if end < 0 or len(received) < end + 4 + int(received[length + 16 : received.find(b"\r", length)]):
            self._received = received
            return
        self._received = b""
        now = perf_counter()
        self._book.note(self._due, now, int(received[9:12]), self._request, self._stream.events)
        if self._pause is not None:
            self._due += self._pause
        if max(now, self._due) >= self._book.end:
            self.done.set_result(None)
        elif self._pause is None or self._due <= now:
            self._send()
        else:
            asyncio.get_running_loop().call_later(self._due - now, self._send)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"the door hung up: {error}"))


def _same(client: Client) -> Client:
    return client


def _request_parts(plan: Plan, stream: Stream) -> tuple[bytes, bytes]:
    host = f"host: {plan.host}:{plan.port}\r\n".encode()
    if not stream.events:
        return b"GET /health/live HTTP/1.1\r\n" + host + b"\r\n", b""
    content = body(stream.events)
    head = b"POST /v1/events HTTP/1.1\r\n%bauthorization: Bearer %b\r\ncontent-type: application/json\r\n"
    return head % (host, plan.api_key.encode()) + b"content-length: %d\r\n\r\n" % len(content), content


def _latency(seconds: Sequence[float]) -> Latency:
    ordered = sorted(seconds)
    return Latency(len(ordered), ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1])


async def run(plan: Plan) -> Outcome:
    """Put the plan's load on the door; every request sent is answered before this returns."""
    loop = asyncio.get_running_loop()
    with open(plan.acknowledged, "wb", buffering=1 << 20) as acknowledged:
        book = Book(plan, acknowledged)
        clients: list[Client] = []
        for stream in plan.streams:
            for number in range(stream.clients):
                first = 0.0 if stream.per_second is None else number / stream.per_second
                made = Client(book, stream, len(clients), first)
                await loop.create_connection(partial(_same, made), plan.host, plan.port)
                clients.append(made)
        book.start = perf_counter()
        book.end = book.start + plan.seconds
        for client in clients:
            client.begin()
        await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), plan.seconds + ANSWER_SECONDS)
        return book.outcome(perf_counter() - book.start)


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run(given))))
