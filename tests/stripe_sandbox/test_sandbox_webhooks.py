"""Events and their delivery: signed as the SDK checks it, retried, snapshot and thin apart."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe
from sandbox_shop import FEBRUARY, HOUR, JANUARY, Shop, eventually


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; answers with the next of `statuses`, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[bytes, str]] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.received.append((body, self.headers["Stripe-Signature"]))
        self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_snapshot_events_are_signed_and_carry_the_object(shop: Shop, receiver: Receiver) -> None:
    endpoint = shop.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.created"]})
    customer = shop.customer()
    shop.v1.customers.update(customer.id, {"name": "not wanted"})
    eventually(lambda: receiver.received)
    [(body, signature)] = receiver.received
    event = shop.stripe.construct_event(body, signature, str(endpoint.secret))
    assert (event.type, event.data.object["id"]) == ("customer.created", customer.id)
    with pytest.raises(stripe.SignatureVerificationError):
        shop.stripe.construct_event(body, signature, "whsec_other")
    assert shop.v1.events.retrieve(event.id).type == "customer.created"


def test_deliveries_are_tried_again_until_they_succeed(shop: Shop, receiver: Receiver) -> None:
    shop.settings(webhook_backoff_seconds=0.02)
    receiver.statuses = [500, 503]
    shop.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    shop.customer()
    eventually(lambda: len(receiver.received) == 3)
    assert len({body for body, _ in receiver.received}) == 1
    shop.customer()
    eventually(lambda: len(receiver.received) == 4)


def test_deliveries_are_given_up_in_the_end(shop: Shop, receiver: Receiver) -> None:
    shop.settings(webhook_backoff_seconds=0.01, webhook_attempts=2)
    receiver.statuses = [500] * 2
    shop.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.created"]})
    shop.customer()
    eventually(lambda: len(receiver.received) == 2)
    shop.customer()
    eventually(lambda: len(receiver.received) == 3)
    assert receiver.received[2][0] != receiver.received[0][0]


def test_thin_events_arrive_without_data_which_is_fetched(shop: Shop, receiver: Receiver) -> None:
    destination = shop.stripe.v2.core.event_destinations.create(
        {
            "name": "errors",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": ["v1.billing.meter.error_report_triggered"],
            "webhook_endpoint": {"url": receiver.url},
            "include": ["webhook_endpoint.signing_secret"],
        }
    )
    assert destination.webhook_endpoint is not None
    meter = shop.meter()
    shop.use("cus_none", "1")
    [(body, signature)] = eventually(lambda: receiver.received)
    assert b'"data"' not in body
    secret = str(destination.webhook_endpoint.signing_secret)
    notice: Any = shop.stripe.parse_event_notification(body, signature, secret)
    assert notice.related_object.id == meter.id
    assert notice.fetch_event().data.reason.error_count == 1
    assert notice.fetch_related_object().event_name == meter.event_name
    with pytest.raises(ValueError, match="thin"):
        shop.stripe.construct_event(body, signature, secret)
    destinations = shop.stripe.v2.core.event_destinations
    assert [each.id for each in destinations.list()] == [destination.id]
    assert "webhook_endpoint" not in destinations.retrieve(destination.id)
    destinations.delete(destination.id)
    assert destinations.list().data == []


def test_endpoints_are_listed_without_their_secret_and_deleted(shop: Shop) -> None:
    endpoints = shop.v1.webhook_endpoints
    made = endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"], "description": "d"})
    assert str(made.secret).startswith("whsec_")
    assert "secret" not in endpoints.list().data[0]
    assert "secret" not in endpoints.retrieve(made.id)
    assert endpoints.delete(made.id).deleted is True
    assert endpoints.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        endpoints.create({"url": "ftp://x", "enabled_events": ["*"]})


def test_a_billing_month_leaves_its_events(shop: Shop) -> None:
    clock = shop.clock()
    customer = shop.customer(clock)
    shop.subscribe(customer, shop.metered_price(shop.meter()))
    shop.use(customer, "10", JANUARY)
    shop.advance(clock, FEBRUARY + HOUR)
    wanted: Any = [
        "customer.subscription.created",
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
    ]
    found = list(shop.v1.events.list({"types": wanted, "limit": 2}).auto_paging_iter())
    assert [event.type for event in found][::-1] == [
        "customer.subscription.created",
        "invoice.created",
        "customer.subscription.updated",
        "invoice.finalized",
    ]
    finalized, updated = found[0], found[1]
    assert (finalized.created, finalized.data.object["total"]) == (FEBRUARY + HOUR, 5)
    assert updated.data.previous_attributes is not None
    assert set(updated.data.previous_attributes.to_dict()) == {"items", "latest_invoice"}
    assert len(shop.v1.events.list({"type": "invoice.created"}).data) == 1
