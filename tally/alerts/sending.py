"""Messages that are due go out: at least once each, whoever dies in between.

A row waits before its message is sent and is marked after, each in a commit of its own, and no transaction is open
while a receiver is waited for: an open one would hold the ledger's bound back.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tally.alerts.message import Channel, Message, NotDelivered
from tally.alerts.statements import statement
from tally.clock import Clock

# An evaluation is one tick of a sensor, which has a minute. What is left waits for the next one.
SECONDS_OF_SENDING = 20.0
MOST_PER_CHANNEL = 20
MOST_ATTEMPTS = 12
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass
class Sent:
    """What came of the messages that were due. `waiting`: to be tried again, with the last reason of each channel."""

    sent: int = 0
    failed: int = 0
    waiting: int = 0
    reasons: tuple[str, ...] = ()


def send_due(connection: psycopg.Connection[Any], channels: Sequence[Channel], clock: Clock) -> Sent:
    """Send what is due. A channel that fails is left alone for the rest of this call. Caller holds the lock."""
    by_name = {channel.name: channel for channel in channels}
    result = Sent()
    unwell: dict[str, str] = {}
    ends_at = time.monotonic() + SECONDS_OF_SENDING
    with connection.cursor(row_factory=dict_row) as cursor:
        due = cursor.execute(statement("due.sql"), {"now": clock.now(), "limit": MOST_PER_CHANNEL}).fetchall()
    for row in due:
        channel = by_name.get(row["channel"])
        if channel is None:
            _tried(connection, row, "dropped", clock.now(), "the channel is not set up any more")
        elif channel.name not in unwell and time.monotonic() < ends_at:
            _send(connection, channel, row, clock, result, unwell)
    [(result.waiting,)] = connection.execute("select count(*) from tally.alert_deliveries where state = 'waiting'")
    result.reasons = tuple(f"{name}: {why}" for name, why in unwell.items())
    return result


def pause_after(attempts: int, retry_after: int | None) -> timedelta:
    """How long to wait after so many failed attempts; a receiver that asks for longer gets it, up to an hour."""
    doubled = FIRST_PAUSE * (1 << min(attempts - 1, 10))
    return min(max(doubled, timedelta(seconds=retry_after or 0)), LONGEST_PAUSE)


def _send(
    connection: psycopg.Connection[Any],
    channel: Channel,
    row: dict[str, Any],
    clock: Clock,
    result: Sent,
    unwell: dict[str, str],
) -> None:
    try:
        channel.send(_message(row))
    except NotDelivered as error:
        unwell[channel.name] = str(error)
        attempts = row["attempts"] + 1
        is_over = attempts >= MOST_ATTEMPTS
        next_at = clock.now() + pause_after(attempts, error.retry_after)
        _tried(connection, row, "failed" if is_over else "waiting", next_at, str(error))
        result.failed += is_over
        return
    _tried(connection, row, "sent", clock.now(), None)
    result.sent += 1


def _tried(
    connection: psycopg.Connection[Any], row: dict[str, Any], state: str, at: datetime, error: str | None
) -> None:
    outcome = {"state": state, "next_attempt_at": at, "now": at, "error": error}
    connection.execute(statement("tried.sql"), row | outcome)


def _message(row: dict[str, Any]) -> Message:
    left_out = ("channel", "attempts", "place")
    return Message(**{name: value for name, value in row.items() if name not in left_out})
