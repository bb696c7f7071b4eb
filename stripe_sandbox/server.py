"""Running the sandbox: in this process until stopped, or in a thread beside a test."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import uvicorn

from stripe_sandbox.app import build_app
from stripe_sandbox.clock import Clock
from stripe_sandbox.connections import TrackedHttpProtocol
from stripe_sandbox.sandbox import Sandbox

START_SECONDS = 10


class _AnnouncingServer(uvicorn.Server):
    """Calls back once it listens, when a port of 0 has become a real one."""

    def __init__(self, app: Any, host: str, port: int, on_listening: Callable[[str], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host,
                port,
                http=TrackedHttpProtocol,
                ws="none",
                log_level="warning",
                access_log=False,
                # A connection closed for idleness just as it is used again would look like a failure nobody scripted.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
            )
        )
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_listening(f"http://{host}:{port}")


def serve(host: str, port: int, state_path: str | None) -> None:
    def announce(url: str) -> None:
        print(f"stripe sandbox listening on {url}", flush=True)

    _AnnouncingServer(build_app(Sandbox(state_path)), host, port, announce).run()


class SandboxServer:
    """`with SandboxServer() as server:` gives a sandbox on a free port at `server.url`; `server.sandbox` is its inside.

    `wrap` may put an ASGI middleware around the application.
    """

    def __init__(
        self,
        state_path: str | None = None,
        clock: Clock | None = None,
        wrap: Callable[[Any], Any] = lambda app: app,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.url = ""
        self.sandbox = Sandbox(state_path, clock)
        self.sandbox.change_settings(settings or {})
        self._listening = threading.Event()
        self._server = _AnnouncingServer(wrap(build_app(self.sandbox)), "127.0.0.1", 0, self._note_url)
        self._thread = threading.Thread(target=self._server.run, name="stripe-sandbox", daemon=True)

    def _note_url(self, url: str) -> None:
        self.url = url
        self._listening.set()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(START_SECONDS):
            raise RuntimeError("the Stripe sandbox did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(START_SECONDS)
