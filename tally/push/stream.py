"""The v2 meter-event stream: a hundred meter events a call, for accounts with more counters than calls can carry.

Stripe checks what came by the stream later, duplicates too. So a call that was answered is as good as an accepted
event, and one that was not cannot be repeated to find out: its intents are settled by Stripe's summary. What the stream
refuses as a whole was not taken, and goes singly.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime

import stripe
from stripe.params.v2.billing._meter_event_stream_create_params import MeterEventStreamCreateParamsEvent

from tally.push.answers import Answer, not_taken
from tally.push.identifiers import as_text
from tally.push.intents import Claim
from tally.stripe.account import StripeAccount

MOST_EVENTS = 100
# A session's token is good for 15 minutes; one that ends within a minute is not begun with.
_MARGIN_SECONDS = 60


class Stream:
    """One worker's way to the stream: a session, renewed when it ends."""

    def __init__(self, account: StripeAccount) -> None:
        self._account = account
        self._client: stripe.StripeClient | None = None
        self._ends_at = 0.0

    def send(self, claims: list[Claim]) -> Answer:
        """Send all of them in one call, once; the answer is that of each.

        accepted, unrepeatable, stopped; or unsent, where it is certain that none was taken.
        """
        answer = Answer("unsent", error="the session of the meter-event stream ended twice")
        for _ in range(2):
            try:
                client = self._session()
            except stripe.StripeError as error:
                return _before_sending(not_taken(error))
            try:
                client.v2.billing.meter_event_stream.create({"events": [_event(claimed) for claimed in claims]})
            except stripe.TemporarySessionExpiredError:
                self._client = None
                continue
            except stripe.StripeError as error:
                return _of_a_batch(not_taken(error))
            return Answer("accepted", 200)
        return answer

    def _session(self) -> stripe.StripeClient:
        if self._client is None or time.time() > self._ends_at - _MARGIN_SECONDS:
            session = self._account.client.v2.billing.meter_event_session.create({}, self._account.options())
            self._client = self._account.streaming(session.authentication_token)
            self._ends_at = datetime.fromisoformat(session.expires_at).astimezone(UTC).timestamp()
        return self._client


def _event(claimed: Claim) -> MeterEventStreamCreateParamsEvent:
    return {
        "event_name": claimed.event_name,
        "identifier": claimed.identifier,
        "timestamp": claimed.event_ts.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "payload": {"stripe_customer_id": claimed.stripe_customer_id, "value": as_text(claimed.value)},
    }


def _before_sending(answer: Answer) -> Answer:
    """No session, so nothing was sent, whatever the reason."""
    return answer if answer.kind == "stopped" else replace(answer, kind="unsent")


def _of_a_batch(answer: Answer) -> Answer:
    if answer.kind == "stopped":
        return answer
    refused = answer.http_status is not None and 400 <= answer.http_status < 500
    return replace(answer, kind="unsent" if refused else "unrepeatable")
