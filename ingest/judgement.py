"""Judging a batch: which events land, and what each is told."""

from collections import Counter

import msgspec

from ingest.acceptance import Acceptance, ForeignTenant
from ingest.answer import Answer, Result, rejected
from ingest.batch import Batch
from ingest.event import Event
from ingest.problem import Problem
from ingest.refusal import Refusal


class Judgement(msgspec.Struct, frozen=True):
    """The answer that may be given once `rows` have landed, and the codes of its refusals, counted."""

    answer: Answer
    rows: list[str]
    refusals: Counter[str]


def judge(batch: Batch, acceptance: Acceptance, request_id: str) -> Judgement:
    """Judge every event on its own.

    Raises:
        Problem: 403, the batch or one of its events names another tenant: nothing of it may land.
    """
    if batch.tenant_id is not None and batch.tenant_id != acceptance.tenant_id:
        raise _foreign_tenant(None)
    rows: dict[str, None] = {}
    results: list[Result] = []
    refusals: Counter[str] = Counter()
    for index, event in enumerate(batch.events):
        try:
            if not isinstance(event, Event):
                raise event.refusal
            row = acceptance.row(event)
        except Refusal as refusal:
            refusals[refusal.code] += 1
            results.append(rejected(index, event.idempotency_key, refusal))
            continue
        except ForeignTenant:
            raise _foreign_tenant(index) from None
        # Only a delivery equal to the letter is a duplicate here; whatever else repeats is the ledger's to judge.
        results.append(Result(index, event.idempotency_key, "duplicate" if row in rows else "accepted"))
        rows[row] = None
    refused = refusals.total()
    duplicates = len(results) - refused - len(rows)
    return Judgement(Answer(request_id, len(rows), refused, duplicates, results), list(rows), refusals)


def _foreign_tenant(index: int | None) -> Problem:
    where = "the body" if index is None else f"event {index}"
    reason = "is not the tenant of this API key; the tenant comes from the key alone"
    errors = [{"index": index, "field": "tenant_id", "reason": reason}]
    return Problem(403, "foreign-tenant", f"{where}: tenant_id {reason}; nothing of this request landed", errors=errors)
