"""/_sandbox: the knobs, the scripted failures and the oracle. Not part of Stripe; no key needed."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stripe_sandbox import oracle
from stripe_sandbox.background import catch_up
from stripe_sandbox.meter_event_application import apply_all_due
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.state import Json


def routes(sandbox: Sandbox) -> list[Route]:
    def change_settings(fields: Json) -> Json:
        sandbox.change_settings(fields)
        return sandbox.settings.as_json()

    async def settings(request: Request) -> Response:
        if request.method == "POST":
            return await _guarded(request, change_settings)
        return JSONResponse(sandbox.settings.as_json())

    async def failures(request: Request) -> Response:
        if request.method == "POST":
            return await _guarded(request, sandbox.failures.add)
        if request.method == "DELETE":
            sandbox.failures.clear()
        return JSONResponse({"data": sandbox.failures.listed()})

    async def reset(_request: Request) -> Response:
        sandbox.reset()
        return JSONResponse({"status": "empty"})

    async def savepoint(_request: Request) -> Response:
        sandbox.set_savepoint()
        return JSONResponse({"status": "set"})

    async def restore(_request: Request) -> Response:
        try:
            sandbox.back_to_savepoint()
        except LookupError as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse({"status": "restored"})

    async def caught_up(_request: Request) -> Response:
        await catch_up(sandbox)
        return JSONResponse({"status": "caught up"})

    async def health(_request: Request) -> Response:
        error = sandbox.background_error
        return JSONResponse(
            {"status": "ok" if error is None else "failing", "error": error}, 200 if error is None else 500
        )

    def ledger(read: Callable[..., list[Json]]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            fields = dict(request.query_params)
            namespace = fields.pop("namespace", "test")
            try:
                filters = oracle.filters_of(fields)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, 400)
            apply_all_due(sandbox.workspace(namespace))
            return JSONResponse({"data": read(sandbox.state, namespace, filters)})

        return endpoint

    return [
        Route("/_sandbox/settings", settings, methods=["GET", "POST"]),
        Route("/_sandbox/failures", failures, methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/reset", reset, methods=["POST"]),
        Route("/_sandbox/savepoint", savepoint, methods=["POST"]),
        Route("/_sandbox/restore", restore, methods=["POST"]),
        Route("/_sandbox/catch_up", caught_up, methods=["POST"]),
        Route("/_sandbox/health", health),
        Route("/_sandbox/oracle/meter_events", ledger(oracle.meter_events)),
        Route("/_sandbox/oracle/totals", ledger(oracle.totals)),
    ]


async def _guarded(request: Request, change: Callable[[dict[str, Any]], Any]) -> Response:
    try:
        return JSONResponse(change(await request.json()))
    except (ValueError, TypeError, AttributeError) as error:
        return JSONResponse({"error": str(error)}, 400)
