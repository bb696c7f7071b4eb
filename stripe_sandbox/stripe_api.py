"""The ASGI side of the gateway: reads a request, sends its answer, or fails to in the way a script wants."""

import asyncio
from contextlib import suppress

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from stripe_sandbox import connections
from stripe_sandbox.answers import Answer
from stripe_sandbox.failures import Failure
from stripe_sandbox.gateway import Gateway
from stripe_sandbox.sandbox import Sandbox


class StripeApi:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._gateway = Gateway(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = (await request.body()).decode()
        failure = self._sandbox.failures.next_for(request.method, request.url.path, body)
        answer = await self._gateway.answer(request, body, failure)
        if failure is None or failure.kind not in ("delay_answer", "no_answer", "drop", "truncated"):
            await _send(answer, send)
            return
        await self._spoil(failure, answer, scope, receive, send)

    async def _spoil(self, failure: Failure, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """The request was carried out; now its answer is late, missing or cut off."""
        if failure.kind == "delay_answer":
            await asyncio.sleep(failure.delay_seconds)
            await _send(answer, send)
            return
        if failure.kind == "truncated":
            await send(_start(answer))
            half = answer.body[: len(answer.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        if failure.kind == "no_answer":
            with suppress(TimeoutError):
                await asyncio.wait_for(_gone(receive), self._sandbox.settings.no_answer_seconds)
        connections.cut(scope["client"])
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(answer: Answer) -> dict[str, object]:
    headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), **answer.headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": answer.status, "headers": encoded}


async def _send(answer: Answer, send: Send) -> None:
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer.body})
