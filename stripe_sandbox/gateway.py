"""One request to /v1 or /v2, from its key to its answer. The work itself runs in one transaction, committed first."""

import asyncio
import hashlib
import json
import logging
import sqlite3
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request

from stripe_sandbox import keys, meter_event_stream, meters
from stripe_sandbox.answers import Answer, error_answer, json_answer
from stripe_sandbox.errors import ParameterError, StripeError, server_error
from stripe_sandbox.events import API_VERSION
from stripe_sandbox.expansion import expand
from stripe_sandbox.failures import Failure, answer_instead
from stripe_sandbox.form_encoding import decode_form
from stripe_sandbox.ids import new_id
from stripe_sandbox.meter_event_application import apply_all_due
from stripe_sandbox.meter_event_payloads import customer_of
from stripe_sandbox.operations import Route
from stripe_sandbox.parameters import read_parameters
from stripe_sandbox.routes import ROUTES
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace, public

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """A request that has found its operation."""

    workspace: Workspace
    route: Route
    ids: tuple[Any, ...]
    tree: Json
    is_text: bool
    failure: Failure | None

    def fingerprint(self, path: str) -> str:
        text = f"{self.route.method} {path} {json.dumps(self.tree, sort_keys=True)}"
        return hashlib.sha256(text.encode()).hexdigest()


class Gateway:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def answer(self, request: Request, body: str, failure: Failure | None) -> Answer:
        request_id = new_id("req", 14)
        headers = {"Request-Id": request_id, "Stripe-Version": request.headers.get("stripe-version", API_VERSION)}
        for name in ("Idempotency-Key", "Stripe-Account"):
            if name in request.headers:
                headers[name] = request.headers[name]
        try:
            answer = await self._checked_answer(request, body, request_id, failure)
        except StripeError as error:
            answer = error_answer(error)
        return Answer(answer.status, answer.body, {**headers, **answer.headers}, answer.content_type)

    async def _checked_answer(self, request: Request, body: str, request_id: str, failure: Failure | None) -> Answer:
        namespace = self._namespace_of(request)
        keys.check_version(request.headers.get("stripe-version", API_VERSION))
        self._sandbox.limits.take_call(namespace, request.url.path)
        instead = answer_instead(failure) if failure else None
        if instead is not None:
            return instead
        path = request.url.path
        found = ROUTES.find(request.method, path)
        if found is None:
            raise StripeError(f"Unrecognized request URL ({request.method}: {path}).", status=404)
        in_query = request.method in ("GET", "DELETE")
        is_text = in_query or path.startswith("/v1")
        tree = decode_form(request.url.query if in_query else body) if is_text else _decode_json(body)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        workspace = self._sandbox.workspace(namespace, request_id, key)
        if failure is not None and failure.kind == "stale_summary":
            workspace = replace(workspace, unseen_events=failure.events)
        call = Call(workspace, *found, tree, is_text, failure)
        if key is None:
            return await self._carried_out(call, None)
        fingerprint = call.fingerprint(path)
        replay = self._sandbox.idempotency.begin(namespace, key, fingerprint)
        if replay is not None:
            return replay
        try:
            return await self._carried_out(call, fingerprint)
        finally:
            self._sandbox.idempotency.end(namespace, key)

    def _namespace_of(self, request: Request) -> str:
        if request.url.path == meter_event_stream.PATH:
            sandbox = self._sandbox
            return meter_event_stream.namespace_of_session(sandbox.state, request.headers, sandbox.clock.now())
        return keys.namespace_of(request.headers)

    async def _carried_out(self, call: Call, fingerprint: str | None) -> Answer:
        parameters = read_parameters(call.route.parameters, call.route.takes, call.tree, is_text=call.is_text)
        with self._sandbox.limits.one_at_a_time(lambda: _busy_key(call, parameters)):
            if call.failure and call.failure.kind == "delay":
                await asyncio.sleep(call.failure.delay_seconds)
            apply_all_due(call.workspace)
            with call.workspace.state.transaction():
                answer = _run(call, parameters)
                if call.failure and call.failure.kind == "apply_then_500":
                    answer = error_answer(server_error())
                keep = call.failure.stored if call.failure else True
                if fingerprint is not None and keep:
                    self._keep(call.workspace, fingerprint, answer)
        return answer

    def _keep(self, workspace: Workspace, fingerprint: str, answer: Answer) -> None:
        key, request_id = workspace.idempotency_key, workspace.request_id
        assert key is not None
        assert request_id is not None
        self._sandbox.idempotency.store(workspace.namespace, key, fingerprint, answer, request_id)


def _run(call: Call, parameters: Json) -> Answer:
    """Refusals undo the transaction and are not kept for the key, but for those that say so."""
    paths = parameters.pop("expand", [])
    try:
        body = public(call.route.handler(call.workspace, parameters, *call.ids))
    except StripeError as error:
        if not error.keeps_writes:
            raise
        return error_answer(error)
    except (KeyError, TypeError, ValueError, ArithmeticError, AssertionError, sqlite3.Error) as bug:
        log.exception("%s failed in the sandbox itself", call.route.name)
        message = f"The sandbox has a bug in {call.route.name}: {bug!r}"
        raise StripeError(message, status=500, type_="api_error") from bug
    expand(call.workspace, body, paths)
    return json_answer(body)


def _decode_json(body: str) -> Json:
    try:
        tree = json.loads(body or "{}")
    except ValueError:
        raise ParameterError("Invalid JSON in the request's body.") from None
    if not isinstance(tree, dict):
        raise ParameterError("The request's body must be a JSON object.")
    return tree


def _busy_key(call: Call, parameters: Json) -> tuple[str, ...] | None:
    """What Stripe serialises meter events by: customer and meter, the latter one to one with the event name."""
    if not call.route.name.endswith("billing.meter_events.create"):
        return None
    event_name = parameters["event_name"]
    customer = customer_of(meters.counting(call.workspace, event_name), parameters["payload"])
    return call.workspace.namespace, customer or "", event_name
