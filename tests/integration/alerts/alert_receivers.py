"""Real receivers on 127.0.0.1: one that takes HTTP posts, one that takes mail."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
SECRET = "a-secret-of-some-length"


@dataclass
class Posted:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpReceiver:
    """What came in; `answers` are given to posts in turn, 200 when they are used up. `pages` are read with GET."""

    url: str
    posts: list[Posted] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    pages: dict[str, tuple[int, str]] = field(default_factory=dict)


@contextmanager
def http_receiver(tls: ssl.SSLContext | None = None) -> Iterator[HttpReceiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            receiver.posts.append(Posted(self.path, dict(self.headers), self.rfile.read(length)))
            status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            status, text = receiver.pages.get(self.path, (200, ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with _served(server) as port:
        receiver = HttpReceiver(f"{'https' if tls else 'http'}://127.0.0.1:{port}")
        yield receiver


@dataclass
class MailReceiver:
    """Mails as they came in: envelope sender, recipients and text. `refuses`: the answer to the next mails."""

    port: int
    mails: list[tuple[str, list[str], str]] = field(default_factory=list)
    refuses: str | None = None


@contextmanager
def mail_receiver(tls: ssl.SSLContext | None = None, *, at_once: bool = False) -> Iterator[MailReceiver]:
    """With `tls` it offers STARTTLS and takes nothing before; `at_once` it speaks TLS from the first byte."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if tls and at_once and not self._is_secured(tls):
                return
            self._say("220 here")
            sender, recipients = "", []
            while line := self.rfile.readline().decode().strip():
                verb = line.partition(" ")[0].upper()
                if verb in ("EHLO", "HELO"):
                    self._say("250-here\r\n250 STARTTLS" if tls and not at_once else "250 here")
                elif verb == "STARTTLS" and tls:
                    self._say("220 go on")
                    if not self._is_secured(tls):
                        return
                elif verb != "QUIT" and tls and not isinstance(self.connection, ssl.SSLSocket):
                    self._say("530 STARTTLS first")
                elif verb == "MAIL":
                    sender = line[line.index("<") + 1 : line.index(">")]
                    self._say("250 ok")
                elif verb == "RCPT":
                    recipients.append(line[line.index("<") + 1 : line.index(">")])
                    self._say(receiver.refuses or "250 ok")
                elif verb == "DATA":
                    self._say("354 go on")
                    lines = []
                    while (text := self.rfile.readline().decode()) != ".\r\n":
                        lines.append(text)
                    receiver.mails.append((sender, recipients, "".join(lines)))
                    self._say("250 taken")
                else:
                    self._say("221 bye" if verb == "QUIT" else "250 ok")

        def finish(self) -> None:
            self.rfile.close()
            self.connection.close()

        def _is_secured(self, tls: ssl.SSLContext) -> bool:
            try:
                self.connection = tls.wrap_socket(self.connection, server_side=True)
            except ssl.SSLError:  # we are not trusted
                return False
            self.rfile = self.connection.makefile("rb")
            return True

        def _say(self, line: str) -> None:
            self.connection.sendall(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with _served(Server(("127.0.0.1", 0), Handler)) as port:
        receiver = MailReceiver(port)
        yield receiver


@contextmanager
def _served(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
