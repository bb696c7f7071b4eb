"""Postgres is down: nothing can be recorded, so people are told straight away and a note in TALLY_HOME remembers it.

The first evaluation that reaches the database again writes the alert into the tables, as begun and over.
"""

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from tally.alerts.channels import channels
from tally.alerts.message import INSTALLATION, Channel, Message, NotDelivered, Notice
from tally.alerts.recording import ITSELF, note, trigger
from tally.alerts.statements import statement
from tally.settings import Settings

KIND = "database_down"
SUBJECT = "postgres"


@dataclass(frozen=True)
class Outage:
    """Since when Postgres has been found down, and when people were told last. The machine's time."""

    began_at: datetime
    told_at: datetime | None
    sentence: str


def tell_of_outage(settings: Settings, sentence: str) -> tuple[str, ...]:
    """Tell every channel that Postgres is down, at most once within the cooldown; returns what could not be told."""
    now = datetime.now(UTC)
    known = _read(_path(settings))
    outage = Outage(known.began_at if known else now, known.told_at if known else None, sentence)
    cooldown = timedelta(minutes=settings.alert_cooldown_minutes)
    untold: tuple[str, ...] = ()
    told = channels(settings)
    if told and (outage.told_at is None or now - outage.told_at >= cooldown):
        notice: Notice = "triggered" if outage.told_at is None else "reminder"
        message = Message(
            notice, INSTALLATION, 0, 0, KIND, SUBJECT, sentence, "triggered", triggered_at=outage.began_at
        )
        untold = tuple(_told(channel, message) for channel in told)
        if not all(untold):
            outage = Outage(outage.began_at, now, sentence)
    _write(_path(settings), outage)
    return tuple(filter(None, untold))


def note_past_outage(
    connection: psycopg.Connection[Any], settings: Settings, told: Collection[str], cooldown: timedelta
) -> None:
    """Write an outage that is over into the tables. It is told as over to whom it was told as begun."""
    path = _path(settings)
    outage = _read(path)
    if outage is None:
        return
    now = datetime.now(UTC)
    with connection.transaction():
        alert_id = trigger(connection, (INSTALLATION, KIND, SUBJECT), outage.sentence, [], cooldown, outage.began_at)
        if alert_id is not None:
            row = {"tenant_id": INSTALLATION, "alert_id": alert_id, "now": now, "by": ITSELF}
            connection.execute(statement("ends.sql"), row)
            note(connection, INSTALLATION, alert_id, "resolved", ITSELF, now, "Postgres answers again")
            if outage.told_at is not None:
                connection.execute(statement("plan_over.sql"), row | {"channels": list(told)})
    path.unlink()


def _told(channel: Channel, message: Message) -> str:
    try:
        channel.send(message)
    except NotDelivered as error:
        return f"{channel.name}: {error}"
    return ""


def _path(settings: Settings) -> Path:
    return settings.home / "database_down.json"


def _read(path: Path) -> Outage | None:
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text())
        told_at = kept["told_at"]
        return Outage(
            datetime.fromisoformat(kept["began_at"]),
            datetime.fromisoformat(told_at) if told_at else None,
            kept["sentence"],
        )
    return None


def _write(path: Path, outage: Outage) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "began_at": outage.began_at.isoformat(),
        "told_at": outage.told_at.isoformat() if outage.told_at else None,
        "sentence": outage.sentence,
    }
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(kept))
    beside.replace(path)
