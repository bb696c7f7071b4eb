"""The push of shadow accounts, behind the live one's: what it did, and what keeps it from doing more."""

from collections.abc import Iterator
from typing import TypeAlias

import dagster as dg
import psycopg

from dagster_project.defs.resources import Tally
from tally.push import DeliveryResult, PlanResult, push
from tally.shadow.parallel import Shadowed, in_shadows, shadow_accounts

ShadowPush: TypeAlias = Shadowed[tuple[PlanResult, DeliveryResult]]


def push_shadows(tally: Tally, connection: psycopg.Connection) -> list[ShadowPush]:
    """Plan and deliver in every shadow account of every tenant; one that is closed or fails says why."""
    tenants = sorted({tenant_id for tenant_id, _ in shadow_accounts(connection)})
    return [pushed for tenant_id in tenants for pushed in _push_tenant(tally, connection, tenant_id)]


def _push_tenant(tally: Tally, connection: psycopg.Connection, tenant_id: str) -> list[ShadowPush]:
    clock = tally.clock(connection)
    return in_shadows(
        tally.settings, connection, tenant_id, lambda account: push(tally.settings, account, tenant_id, clock)
    )


def shadow_metadata(shadows: list[ShadowPush]) -> dict[str, dg.MetadataValue]:
    """What the shadow accounts were told; nothing where none is declared."""
    if not shadows:
        return {}
    done = [shadow.result for shadow in shadows if shadow.result]
    closed = "; ".join(shadow.failure for shadow in shadows if shadow.failure)
    return {
        "shadow differences planned": dg.MetadataValue.int(sum(len(plan.planned) for plan, _ in done)),
        "shadow differences confirmed": dg.MetadataValue.int(sum(delivery.confirmed for _, delivery in done)),
        "shadow closed": dg.MetadataValue.text(closed or "no"),
    }


def what_waits(shadow: ShadowPush) -> Iterator[str]:
    """What needs a person, as sentences."""
    if shadow.failure:
        yield f"{shadow.account}: {shadow.failure}"
    if shadow.result:
        plan, delivery = shadow.result
        held = sum(counter.needs_a_person for counter in plan.held)
        if held:
            yield f"{shadow.account}: {held} counters are held back"
        yield from (f"{shadow.account}: {sentence}" for sentence in delivery.refusals)
        if delivery.stopped:
            yield f"{shadow.account}: stopped: {delivery.stopped}"
