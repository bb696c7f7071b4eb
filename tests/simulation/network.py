"""The network between an actor's Stripe SDK and the local Stripe: real HTTP, each of whose requests may go wrong."""

import json
import time
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import stripe
from requests.adapters import HTTPAdapter

from stripe_sandbox.server import SandboxServer
from tally.stripe.account import CONNECT_TIMEOUT_SECONDS, StripeAccount
from tally.stripe.pace import Pace
from tests.simulation.stage import Kind, Stage
from tests.simulation.world import World

TIMEOUT_SECONDS = 10
_LATENCY = timedelta(milliseconds=60)
# A request that its sender has given up may still arrive. The 20-hour rule leaves four hours for it.
_LATE = (1.0, 30.0, 1_800.0, 3.9 * 3_600)
# Longer than a lease, so that another pusher takes the intent over while the first one still waits for its answer.
_SLOW = (9.0, 60.0, 600.0)
# In real time: how long a silent Stripe is waited for.
_SILENCE_SECONDS = 0.05


class Network(HTTPAdapter):
    """One actor's way to Stripe."""

    def __init__(
        self, stage: Stage, actor: str, server: SandboxServer, randomness: Random, lag: tuple[float, float]
    ) -> None:
        super().__init__()
        self._stage = stage
        self._actor = actor
        self._server = server
        self._random = randomness
        self._lag = lag

    def send(self, request: requests.PreparedRequest, *given: Any, **options: Any) -> requests.Response:
        kind: Kind = "post" if request.method == "POST" else "get"
        path = urlsplit(request.url or "").path
        label = "/".join(part for part in str(path).split("/") if not part.startswith(("mtr_", "cus_", "sub_", "in_")))
        fault = self._stage.step(self._actor, kind, label, _identifiers(request))
        self._stage.time.move_to(self._stage.time.now() + _LATENCY)
        # Drawn here, not by the local Stripe, so that the seed decides: with a wide span, events overtake each other.
        self._server.sandbox.settings.apply_lag_seconds = self._random.uniform(*self._lag)
        if fault == "unreachable":
            raise requests.exceptions.ConnectionError("no connection (simulated)")
        if fault == "late":
            self._stage.later(timedelta(seconds=self._random.choice(_LATE)), lambda: _arrive(request))
        if fault in ("late", "never_sent"):
            raise requests.exceptions.ReadTimeout("no answer in time (simulated)")
        if fault == "no_answer":
            options["timeout"] = (CONNECT_TIMEOUT_SECONDS, _SILENCE_SECONDS)
        if fault is not None:
            self._script(fault)
        try:
            response = super().send(request, *given, **options)
        except requests.exceptions.ReadTimeout:
            self._has_arrived()
            raise
        if fault in ("crash_after", "answer_lost"):
            response.close()
        if fault == "crash_after":
            self._stage.crash(self._actor)
        if fault == "answer_lost":
            raise requests.exceptions.ReadTimeout("no answer in time (simulated)")
        if fault == "slow":
            self._stage.sleep(self._random.choice(_SLOW))
        return response

    def _has_arrived(self) -> None:
        """Come back when what was not answered in time was carried out: however busy the machine is."""
        given_up_at = time.monotonic() + TIMEOUT_SECONDS
        while any(not failure["fired"] for failure in self._server.sandbox.failures.listed()):
            assert time.monotonic() < given_up_at, "the local Stripe does not take a request"
            time.sleep(0.001)
        # One loop answers everything there: this answer comes after the other one would have.
        _arrive(requests.Request("GET", f"{self._server.url}/_sandbox/health").prepare())

    def _script(self, fault: str) -> None:
        kind, _, detail = fault.partition(":")
        if kind in ("crash_after", "answer_lost", "slow"):
            return
        script: dict[str, Any] = {"kind": kind}
        if kind == "rate_limited":
            script |= {"reason": detail, "retry_after": self._random.choice([None, "1", "7"])}
        if kind == "apply_then_500":
            script |= {"stored": not detail}
        if kind == "stale_summary":
            script |= {"events": self._random.choice([1, 2])}
        self._server.sandbox.failures.add(script)


def _identifiers(request: requests.PreparedRequest) -> list[str]:
    body = request.body or b""
    text = body.decode() if isinstance(body, bytes) else str(body)
    if text.startswith("{"):
        return [event["identifier"] for event in json.loads(text).get("events", [])]
    return parse_qs(text).get("identifier", [])


def _arrive(request: requests.PreparedRequest) -> None:
    with requests.Session() as session:
        session.send(request)


def open_way(
    stage: Stage,
    actor: str,
    world: World,
    randomness: Random,
    lag: tuple[float, float],
    per_second: float | None = None,
) -> StripeAccount:
    """An account of the actor's own, as a process of its own would have."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", Network(stage, actor, world.server, randomness, lag))
    http = stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, TIMEOUT_SECONDS), session=session)
    url = world.server.url
    client = stripe.StripeClient(world.key, http_client=http, max_network_retries=2, base_addresses={"api": url})
    return StripeAccount(
        client, world.streams, "self", TIMEOUT_SECONDS, per_second, Pace(None), http, key_id="the key", base=url
    )
