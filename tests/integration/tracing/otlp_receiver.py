"""A receiver of OTLP over HTTP on this machine, as a collector is one: it keeps every span it is sent."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it came over the wire; ids are hexadecimal, `parent` is empty for a root."""

    service: str
    name: str
    trace: str
    span: str
    parent: str
    links: frozenset[str]
    attributes: dict[str, Any]
    is_error: bool


@dataclass
class Receiver:
    """What came in so far."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self, trace: str | None = None) -> list[ReceivedSpan]:
        """Every span, or those of one trace."""
        return [span for body in self.bodies for span in _spans(body) if trace in (None, span.trace)]

    def named(self, name: str, trace: str | None = None) -> ReceivedSpan:
        """The one span of this name, waited for."""
        until = time.monotonic() + 10
        while not (found := [span for span in self.spans(trace) if span.name == name]):
            assert time.monotonic() < until, f"no span {name!r} of {trace}: {self.spans(trace)}"
            time.sleep(0.02)
        assert len(found) == 1, found
        return found[0]


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    receiver = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *said: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def _spans(body: bytes) -> Iterator[ReceivedSpan]:
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(of_resource.resource.attributes)["service.name"]
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield ReceivedSpan(
                    service=service,
                    name=span.name,
                    trace=span.trace_id.hex(),
                    span=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=frozenset(link.span_id.hex() for link in span.links),
                    attributes=_values(span.attributes),
                    is_error=span.status.code == 2,
                )


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
