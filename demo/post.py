"""Posting usage over HTTP as an app would: batches, a few connections, and retries that lose nothing."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import msgspec
import polars as pl

from demo.batches import Batch, lanes

PATH = "/v1/events"
REQUEST_SECONDS = 30.0
# How long a lane keeps trying while the door is away or full, since its last answer that helped.
PATIENCE_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class PostFailed(Exception):
    """The door refused events, or did not come back in time; the message says which."""


class _Answer(msgspec.Struct):
    accepted: int
    rejected: int
    duplicates: int


@dataclass
class Posted:
    """What the door answered. `sent_again` counts events sent again, because an answer never came or said "later"."""

    requests: int = 0
    accepted: int = 0
    duplicates: int = 0
    sent_again: int = 0


def post(
    door_url: str,
    api_key: str,
    deliveries: pl.DataFrame,
    on_progress: Callable[[int], None] | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Posted:
    """Post a step's `deliveries`, in order per customer; return when the door has acknowledged all of them.

    `on_progress` is told the number of events of each acknowledged batch. 503 and lost connections are retried with the
    same events, which may land twice and count once.

    Raises:
        PostFailed: an event was rejected, an answer was not understood, or the door stayed away for `patience_seconds`.
    """
    return asyncio.run(_post(door_url, api_key, deliveries, on_progress or (lambda _: None), patience_seconds))


async def _post(
    door_url: str, api_key: str, deliveries: pl.DataFrame, on_progress: Callable[[int], None], patience_seconds: float
) -> Posted:
    posted = Posted()
    headers = {"authorization": f"Bearer {api_key}", "content-type": "application/json"}
    # The door is on this machine: a proxy that the environment names has no way to it.
    async with httpx.AsyncClient(
        base_url=door_url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False
    ) as client:

        async def post_lane(batches: list[Batch]) -> None:
            for batch in batches:
                await _post_batch(client, batch, posted, patience_seconds)
                on_progress(batch.events)

        tasks = [asyncio.create_task(post_lane(lane)) for lane in lanes(deliveries)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return posted


async def _post_batch(client: httpx.AsyncClient, batch: Batch, posted: Posted, patience_seconds: float) -> None:
    deadline = time.monotonic() + patience_seconds
    pause = _FIRST_PAUSE
    while True:
        posted.requests += 1
        try:
            response = await client.post(PATH, content=batch.body)
        except httpx.TransportError as error:
            trouble, wait = f"no answer ({type(error).__name__})", pause
        else:
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                _count(response, batch, posted)
                return
            trouble, wait = "503", _retry_after(response, pause)
        if time.monotonic() + wait > deadline:
            raise PostFailed(f"the door at {client.base_url} took nothing for {patience_seconds:.0f} s: {trouble}")
        posted.sent_again += batch.events
        await asyncio.sleep(wait)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _retry_after(response: httpx.Response, otherwise: float) -> float:
    """Seconds as the door asks for; a date or nothing is answered with our own pause."""
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isdecimal() else otherwise


def _count(response: httpx.Response, batch: Batch, posted: Posted) -> None:
    if response.status_code != httpx.codes.OK:
        raise PostFailed(
            f"the door answered {response.status_code} to a batch of {batch.events}: {response.text[:1000]}"
        )
    try:
        answer = msgspec.json.decode(response.content, type=_Answer)
    except msgspec.DecodeError as error:
        raise PostFailed(f"the door's answer is not understood: {error}") from None
    if answer.rejected or answer.accepted + answer.duplicates != batch.events:
        raise PostFailed(f"of {batch.events} events the door accepted {answer.accepted}: {response.text[:1000]}")
    posted.accepted += answer.accepted
    posted.duplicates += answer.duplicates
