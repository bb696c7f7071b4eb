"""The door as its callers see it: does it answer, and does it turn events away?"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from tally.finding import Finding

TIMEOUT_SECONDS = 5
_SOURCE = "door answers of 503"
# What grew since the last look; a counter that shrank belongs to a door that started anew.
_NOTE = """
insert into tally.alert_marks as known (source, value)
values (%(source)s, %(value)s)
on conflict (tenant_id, source) do update set
    moved_at = case
        when excluded.value > known.value or (excluded.value < known.value and excluded.value > 0) then %(now)s
        else known.moved_at
    end,
    value = excluded.value
returning moved_at
"""


def door_findings(
    connection: psycopg.Connection[Any], url: str, now: datetime, refuses_for: timedelta
) -> Iterator[Finding]:
    """`door_down`: it does not answer or says that it is not ready. `door_refuses`: it answers 503 to callers.

    Refusals come in bursts; one that ended `refuses_for` ago is over.
    """
    fault, metrics = _asked(url.rstrip("/"))
    if fault is not None:
        yield Finding("door_down", "door", fault, is_global=True)
    if metrics is not None:
        mark = {"source": _SOURCE, "value": refused(metrics), "now": now}
        row = connection.execute(_NOTE, mark).fetchone()
        if row is not None and row[0] is not None and row[0] > now - refuses_for:
            sentence = (
                f"the door turned requests away with 503, {mark['value']} since it started: its queue is full or the"
                " database does not keep up; callers send the same again"
            )
            yield Finding("door_refuses", "door", sentence, is_global=True)


def refused(metrics: str) -> Decimal:
    """How many requests and connections the door has answered 503, by its own metrics; its health checks apart."""
    return sum(
        (
            Decimal(repr(sample.value))
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == "tally_door_refused_connections_total"
            or (
                sample.name == "tally_door_requests_total"
                and sample.labels["status"] == "503"
                and not sample.labels["route"].startswith("/health")
            )
        ),
        Decimal(0),
    ).normalize()


def _asked(url: str) -> tuple[str | None, str | None]:
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            ready = client.get(f"{url}/health/ready")
            metrics = client.get(f"{url}/metrics")
    except httpx.HTTPError as error:
        return f"the door does not answer ({type(error).__name__}): `tally up` starts it", None
    fault = None if ready.is_success else f"the door is not ready ({ready.status_code}): {_faults(ready)}"
    return fault, metrics.text if metrics.is_success else None


def _faults(answer: httpx.Response) -> str:
    try:
        return "; ".join(map(str, answer.json()["faults"]))
    except (ValueError, KeyError, TypeError):
        return "it does not say why"
