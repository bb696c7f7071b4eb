"""Steady load: `python -m tests.chaos.load`, a process of its own that posts usage as an app would, until SIGTERM.

A request begins every so often, whatever became of those before it, and is sent again until the door has taken it: 503
and lost connections are not the customer's fault. Some are sent once more after they were taken. On SIGTERM no new
request begins, and the process ends when all are acknowledged. The bearer key comes in TALLY_KEY.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.cast import CUSTOMERS, METRICS, Event, Request
from tests.chaos.record import Record

REQUEST_SECONDS = 10.0
MOST_EVENTS = 19
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
# Of so many requests one is repeated after it was taken, as by an app that restarts from an old checkpoint.
REPEATED = 10


class Load:
    """Requests of 1 to `MOST_EVENTS` events, all from one seed."""

    def __init__(self, http: httpx.AsyncClient, record: Record, seed: int) -> None:
        self._http = http
        self._record = record
        self._seed = seed
        self._chance = random.Random(seed)
        self._number = 0

    async def run(self, events_per_second: float, stop: asyncio.Event) -> None:
        """Begin requests at this rate until `stop`; return when every one is acknowledged or rejected."""
        every = (1 + MOST_EVENTS) / 2 / events_per_second
        clock = asyncio.get_running_loop()
        due = clock.time()
        async with asyncio.TaskGroup() as requests:
            while not stop.is_set():
                requests.create_task(self._deliver(self._next_request()))
                due += every
                try:
                    await asyncio.wait_for(stop.wait(), due - clock.time())
                except TimeoutError:
                    continue

    def _next_request(self) -> Request:
        self._number += 1
        events = tuple(self._event(index) for index in range(self._chance.randint(1, MOST_EVENTS)))
        return Request(self._number, datetime.now(UTC), events)

    def _event(self, index: int) -> Event:
        metric = self._chance.choice(tuple(METRICS))
        places = 3 if METRICS[metric] == "sum" else 0
        quantity = Decimal(self._chance.randint(1, 10_000)).scaleb(-places)
        return Event(f"{self._seed}-{self._number}-{index}", self._chance.choice(CUSTOMERS), metric, quantity)

    async def _deliver(self, request: Request) -> None:
        self._record.sent(request)
        body = {"events": [_document(event, request.sent_at) for event in request.events]}
        if not await self._taken(request.number, body):
            return
        if self._chance.randrange(REPEATED) == 0:
            await asyncio.sleep(self._chance.uniform(0, 5))
            if await self._taken(request.number, body, again=True):
                self._record.repeated(request.number)

    async def _taken(self, number: int, body: dict[str, Any], again: bool = False) -> bool:
        pause = _FIRST_PAUSE
        while True:
            retry_after = None
            try:
                answer = await self._http.post("/v1/events", json=body)
            except httpx.TransportError as error:
                why = type(error).__name__
            else:
                if answer.status_code == httpx.codes.OK:
                    if not again:
                        self._record.acknowledged(number, answer.json()["duplicates"])
                    return True
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    self._record.rejected(number, f"{answer.status_code} {answer.text[:500]}")
                    return False
                why = f"503 {answer.json()['type'].rpartition(':')[2]}"
                retry_after = answer.headers.get("retry-after")
            self._record.turned_away(number, why, retry_after)
            # The door's word is the least; a crowd that comes back at the same instant is no help to it.
            await asyncio.sleep(max(float(retry_after or 0), pause) * self._chance.uniform(1, 1.5))
            pause = min(2 * pause, _LONGEST_PAUSE)


def _document(event: Event, event_time: datetime) -> dict[str, Any]:
    return {
        "idempotency_key": event.key,
        "customer_ref": event.customer,
        "metric": event.metric,
        "quantity": str(event.quantity),
        "event_time": event_time.isoformat(),
    }


async def main() -> int:
    """Post until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--door", required=True)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--events-per-second", type=float, required=True)
    options = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with httpx.AsyncClient(
        base_url=options.door,
        headers={"authorization": f"Bearer {os.environ['TALLY_KEY']}"},
        timeout=REQUEST_SECONDS,
        limits=httpx.Limits(max_connections=200),
        trust_env=False,
    ) as http:
        await Load(http, Record(options.record), options.seed).run(options.events_per_second, stop)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
