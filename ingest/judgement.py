"""Judging a batch: which events land, and what each is told."""

from collections.abc import Sequence
from typing import Final

import msgspec

from ingest.acceptance import Acceptance, ForeignTenant
from ingest.answer import Answer, Result, rejected
from ingest.batch import Batch, Undecodable
from ingest.event import Event
from ingest.plain_rows import plain_rows
from ingest.problem import Problem
from ingest.refusal import Refusal

# An odd event makes its neighbours of the same part be judged one by one too; below FEW that is the cheaper way.
AT_ONCE: Final = 250
FEW: Final = 8


class Judgement(msgspec.Struct, frozen=True):
    """The answer that may be given once `rows` have landed, and the codes of its refusals, counted."""

    answer: Answer
    rows: list[str]
    refusals: dict[str, int]


def judge(batch: Batch, acceptance: Acceptance, request_id: str) -> Judgement:
    """Judge every event on its own.

    Raises:
        Problem: 403, the batch or one of its events names another tenant: nothing of it may land.
    """
    if batch.tenant_id is not None and batch.tenant_id != acceptance.tenant_id:
        raise _foreign_tenant(None)
    events = batch.events
    rows: list[str] = []
    results: list[Result] = []
    refusals: dict[str, int] = {}
    if len(events) < FEW:
        _judge_each(events, 0, acceptance, set(), rows, results, refusals)
    else:
        _judge_many(events, acceptance, rows, results, refusals)
    refused = sum(refusals.values())
    duplicates = len(results) - refused - len(rows)
    return Judgement(Answer(request_id, len(rows), refused, duplicates, results), rows, refusals)


def _judge_many(
    events: Sequence[Event | Undecodable],
    acceptance: Acceptance,
    rows: list[str],
    results: list[Result],
    refusals: dict[str, int],
) -> None:
    keys = [event.idempotency_key for event in events]
    # Where each key is there once nothing is a duplicate, and most events can be judged many at a time.
    seen: set[str] | None = set() if len(set(keys)) < len(keys) else None
    for start in range(0, len(events), AT_ONCE):
        part = events[start : start + AT_ONCE]
        plain = plain_rows(part, acceptance) if seen is None else None
        if plain is None:
            _judge_each(part, start, acceptance, seen, rows, results, refusals)
        else:
            rows += plain
            results += [Result(index, event.idempotency_key, "accepted") for index, event in enumerate(part, start)]


def _judge_each(
    events: Sequence[Event | Undecodable],
    first: int,
    acceptance: Acceptance,
    seen: set[str] | None,
    rows: list[str],
    results: list[Result],
    refusals: dict[str, int],
) -> None:
    for index, event in enumerate(events, first):
        try:
            if not isinstance(event, Event):
                raise event.refusal
            row = acceptance.row(event)
        except Refusal as refusal:
            refusals[refusal.code] = refusals.get(refusal.code, 0) + 1
            results.append(rejected(index, event.idempotency_key, refusal))
            continue
        except ForeignTenant:
            raise _foreign_tenant(index) from None
        # Only a delivery equal to the letter is a duplicate here; whatever else repeats is the ledger's to judge.
        if seen is not None and row in seen:
            results.append(Result(index, event.idempotency_key, "duplicate"))
            continue
        if seen is not None:
            seen.add(row)
        results.append(Result(index, event.idempotency_key, "accepted"))
        rows.append(row)


def _foreign_tenant(index: int | None) -> Problem:
    where = "the body" if index is None else f"event {index}"
    reason = "is not the tenant of this API key; the tenant comes from the key alone"
    errors = [{"index": index, "field": "tenant_id", "reason": reason}]
    return Problem(403, "foreign-tenant", f"{where}: tenant_id {reason}; nothing of this request landed", errors=errors)
