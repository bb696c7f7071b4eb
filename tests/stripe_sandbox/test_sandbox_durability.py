"""The sandbox as its own process: starts fast, says where it listens, and survives kill -9 with all it acknowledged."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox_shop import FEBRUARY, HOUR, JANUARY, Shop, eventually

ROOT = Path(__file__).parents[2]
ANNOUNCEMENT = "stripe sandbox listening on "


@contextmanager
def running(state: Path) -> Iterator[tuple[subprocess.Popen[str], Shop]]:
    command = [sys.executable, "-m", "stripe_sandbox", "--port", "0", "--state", str(state)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(ANNOUNCEMENT)
    try:
        with Shop(line.removeprefix(ANNOUNCEMENT).strip()) as shop:
            yield process, shop
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_everything_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    state = tmp_path / "stripe.sqlite"
    with running(state) as (process, shop):
        shop.settings(apply_lag_seconds=0.3)
        clock = shop.clock()
        meter, customer = shop.meter(), shop.customer(clock)
        subscription = shop.subscribe(customer, shop.metered_price(meter))
        for number in range(50):
            shop.use(customer, "1", JANUARY, identifier=f"i{number}")
        replayed = shop.v1.customers.create({"name": "once"}, {"idempotency_key": "k"})
        process.send_signal(signal.SIGKILL)
        process.wait()
    with running(state) as (_process, shop):
        assert shop.control("GET", "settings")["apply_lag_seconds"] == 0.3
        eventually(lambda: [row.aggregated_value for row in shop.summary(meter, customer)] == [50.0])
        assert shop.v1.customers.create({"name": "once"}, {"idempotency_key": "k"}).id == replayed.id
        assert shop.v1.subscriptions.retrieve(subscription.id).status == "active"
        assert {entry["applied_count"] for entry in shop.ledger()} == {1}


def test_an_advance_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    state = tmp_path / "stripe.sqlite"
    with running(state) as (process, shop):
        clock = shop.clock()
        price = shop.metered_price(shop.meter())
        customers = [shop.customer(clock) for _ in range(40)]
        for customer in customers:
            shop.subscribe(customer, price)
        shop.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": FEBRUARY + HOUR})
        process.send_signal(signal.SIGKILL)
        process.wait()
    with running(state) as (_process, shop):
        eventually(lambda: shop.v1.test_helpers.test_clocks.retrieve(clock.id).status == "ready")
        found = [[invoice.status for invoice in shop.invoices(customer)] for customer in customers]
        assert found == [["paid"]] * len(customers)


def test_it_starts_in_under_a_second(tmp_path: Path) -> None:
    """The best of three, since a shared machine may be busy."""
    seconds = []
    for attempt in range(3):
        started = time.monotonic()
        with running(tmp_path / f"{attempt}.sqlite"):
            seconds.append(time.monotonic() - started)
    assert min(seconds) < 1
