"""Billing's health as Dagster shows it: numbers that plot themselves, and a table that says what is wrong where."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.lib.tables import markdown_table
from tally.billing_health import STAGES, BillingHealth

Metadata = dict[str, dg.MetadataValue]


def health_facts(health: BillingHealth) -> Metadata:
    """The answer, a line a stage, and the numbers."""
    stages = [
        (stage, "needs a person" if health.wrong[stage] else "fine", len(health.wrong[stage])) for stage in STAGES
    ]
    facts: Metadata = {
        "answer": dg.MetadataValue.text(health.answer),
        "stages": dg.MetadataValue.md(markdown_table(["stage", "standing", "findings"], stages)),
        "what needs a person": dg.MetadataValue.md(
            markdown_table(["stage", "tenant", "what"], [row for stage in STAGES for row in _findings(health, stage)])
        ),
        "findings": dg.MetadataValue.int(sum(map(len, health.wrong.values()))),
        "deliveries waiting": dg.MetadataValue.int(health.rows_waiting),
        "lag, seconds": dg.MetadataValue.float(round(health.lag.total_seconds(), 1)),
        "events counted": dg.MetadataValue.int(health.events),
        "counters": dg.MetadataValue.int(health.counters),
        "open push intents": dg.MetadataValue.int(health.open_intents),
        "lines that agree": dg.MetadataValue.int(health.lines.get("ok", 0)),
        "lines that break": dg.MetadataValue.int(health.lines.get("break", 0)),
        "lines with a number missing": dg.MetadataValue.int(health.lines.get("missing", 0)),
        "drafts": dg.MetadataValue.int(health.drafts),
    }
    if health.last_landed_at is not None:
        facts["last delivery"] = dg.MetadataValue.timestamp(health.last_landed_at)
    return facts


def stage_facts(health: BillingHealth, stage: str) -> Metadata:
    """What is wrong in one stage."""
    rows = [row[1:] for row in _findings(health, stage)]
    return {
        "findings": dg.MetadataValue.int(len(rows)),
        "what needs a person": dg.MetadataValue.md(markdown_table(["tenant", "what"], rows)),
    }


def in_words(health: BillingHealth, stage: str) -> str:
    """The same in a line: the page of checks shows it at once, and tables behind a click."""
    return "; ".join(sentence for _, _, sentence in _findings(health, stage)) or "nothing needs a person"


def _findings(health: BillingHealth, stage: str) -> Iterator[tuple[str, str, str]]:
    for each in health.wrong[stage]:
        yield stage, each.tenant, each.finding.sentence
