"""How a delivery's calls are made: plainly, or told to whoever follows the events they bill (docs/tracing.md)."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from tally.errors import SettingsError
from tally.push.answers import Answer
from tally.push.intents import Claim
from tally.settings import Settings

Calling = Callable[[Sequence[Claim], Callable[[], Answer]], Answer]

log = logging.getLogger("tally.tracing")


def plainly(claims: Sequence[Claim], call: Callable[[], Answer]) -> Answer:
    """Make the call, once."""
    return call()


@contextmanager
def calling(settings: Settings, connection: psycopg.Connection[Any], account: dict[str, Any]) -> Iterator[Calling]:
    """How the open intents' calls are made; what goes wrong in telling of them is logged, and no more.

    `account`: tenant_id, account, livemode. `connection` is in autocommit.
    """
    if settings.traces == "off":
        yield plainly
        return
    from tally.tracing.links import traced_intents

    try:
        traces = traced_intents(connection, account)
    except psycopg.Error as error:
        log.warning("traces: pushes are not told: %s", str(error).strip())
        traces = {}
    if not traces:
        yield plainly
        return
    from tally.tracing.pushes import TracedCalls
    from tally.tracing.spans import Spans

    try:
        spans = Spans("push")
    except SettingsError as error:
        log.warning("traces: pushes are not told: %s", error)
        yield plainly
        return
    try:
        yield TracedCalls(spans, traces)
    finally:
        spans.close()
