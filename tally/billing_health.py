"""Is billing healthy? `tally status` of all tenants at once, by stage: what one look has to tell."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tally import closing
from tally.clock import Clock
from tally.finding import Finding
from tally.pipeline_status import Limits, PipelineStatus, pipeline_status
from tally.settings import Settings

# Each stage's claim. The first three are the stages of `PipelineStatus.findings`.
STAGES = {
    "counted": "What has landed is counted within minutes, and no key waits for a decision between two payloads.",
    "sent": "What is counted is sent: no difference is refused, disputed or held up, and Stripe dropped none.",
    "agreed": "Counters, the amounts sent, and Stripe's totals agree, as far as they were compared.",
    "closed": "Periods that ended are closed: no draft is held back, and no rest of a final invoice waits.",
}


# Whose the loop and the database are.
ALL = "all"
_OPEN = ("planned", "sending", "unknown", "resolving", "disputed")


@dataclass(frozen=True)
class Wrong:
    """What needs a person, and whose it is; `ALL` for what is everybody's."""

    tenant: str
    finding: Finding


@dataclass(frozen=True)
class BillingHealth:
    """`wrong`: what needs a person, per stage of `STAGES`. Times are UTC, `lag` is the worst tenant's."""

    at: datetime
    tenants: tuple[str, ...]
    wrong: Mapping[str, tuple[Wrong, ...]]
    last_landed_at: datetime | None
    rows_waiting: int
    lag: timedelta
    counters: int
    events: int
    open_intents: int
    lines: Mapping[str, int]
    drafts: int

    @property
    def is_healthy(self) -> bool:
        """Whether nothing needs a person: `tally status` exits 0 for every tenant."""
        return not any(self.wrong.values())

    @property
    def fingerprint(self) -> str:
        """Stays the same while the same things are wrong, however their numbers move."""
        found = [
            (stage, each.tenant, each.finding.kind, each.finding.subject)
            for stage, all_ in self.wrong.items()
            for each in all_
        ]
        return " ".join("/".join(each) for each in sorted(found)) or "healthy"

    @property
    def answer(self) -> str:
        """The answer in a sentence."""
        if not self.tenants:
            return "No tenant is declared yet: write a configuration file and run `tally apply FILE`."
        if self.is_healthy:
            return "Billing is healthy: nothing needs a person."
        stages = [f"{stage} ({len(found)})" for stage, found in self.wrong.items() if found]
        return f"Something needs a person: {', '.join(stages)}."


def billing_health(connection: psycopg.Connection[Any], settings: Settings, clock: Clock) -> BillingHealth:
    """All tenants' standing now; calls nobody."""
    tenants = [row[0] for row in connection.execute("select tenant_id from tally.tenants order by tenant_id")]
    wrong: dict[str, list[Wrong]] = {stage: [] for stage in STAGES}
    found: list[PipelineStatus] = []
    drafts = 0
    for tenant in tenants:
        status = pipeline_status(connection, tenant, clock.now(), settings.stripe_read_allowance, Limits.of(settings))
        ending = closing.overview(connection, tenant, clock)
        for stage, findings in {**status.findings, "closed": ending.findings}.items():
            wrong[stage] += [Wrong(ALL if each.is_global else tenant, each) for each in findings]
        found.append(status)
        drafts += len(ending.drafts)
    lines: Counter[str] = Counter()
    for status in found:
        lines.update(status.lines)
    return BillingHealth(
        at=clock.now(),
        tenants=tuple(tenants),
        wrong={stage: tuple(dict.fromkeys(each)) for stage, each in wrong.items()},
        last_landed_at=max((each.last_landed_at for each in found if each.last_landed_at), default=None),
        rows_waiting=sum(each.rows_waiting for each in found),
        lag=max((each.lag for each in found if each.lag), default=timedelta(0)),
        counters=sum(each.counters for each in found),
        events=sum(each.events_counted for each in found),
        open_intents=sum(number for each in found for state, number in each.intents.items() if state in _OPEN),
        lines=lines,
        drafts=drafts,
    )
