"""What a push would send, per account and marked with its mode: the live ones', and the shadows' beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
import psycopg

from dagster_project.defs.resources import Tally
from dagster_project.lib.shadow_push import ShadowPush
from dagster_project.lib.tables import markdown_table
from tally.billed_accounts import billed_accounts
from tally.push import DeliveryResult, PlanResult, preview
from tally.shadow.parallel import in_shadows, shadow_accounts
from tally.stripe.account import StripeAccount

# `tally push --dry-run` lists all.
_MOST_LISTED = 500
_NOTHING_DELIVERED = DeliveryResult({}, {}, {})


@dataclass(frozen=True)
class Preview:
    """What one account would be sent, and in which mode it is: live, test or shadow."""

    account: str
    mode: str
    plan: PlanResult


def live_previews(tally: Tally) -> list[Preview]:
    """Of every tenant's billed accounts; nothing is written."""
    previews = []
    with tally.connect() as connection:
        for tenant_id, name in billed_accounts(connection):
            with tally.stripe(name) as account:
                plan = preview(connection, account, tenant_id, tally.clock(connection))
                previews.append(Preview(account.account, account.mode, plan))
    return previews


def shadow_previews(tally: Tally) -> list[ShadowPush]:
    """Of every tenant's shadow accounts, of which nothing was delivered; one that is closed says why."""
    with tally.connect() as connection:
        tenants = sorted({tenant_id for tenant_id, _ in shadow_accounts(connection)})
        return [shadow for tenant_id in tenants for shadow in _shadows_of(tally, connection, tenant_id)]


def _shadows_of(tally: Tally, connection: psycopg.Connection, tenant_id: str) -> list[ShadowPush]:
    def work(account: StripeAccount) -> tuple[PlanResult, DeliveryResult]:
        return preview(connection, account, tenant_id, tally.clock(connection)), _NOTHING_DELIVERED

    return in_shadows(tally.settings, connection, tenant_id, work)


def would_be_sent(live: Sequence[Preview], shadows: Sequence[ShadowPush]) -> dict[str, dg.MetadataValue]:
    """For the UI: numbers per side, and tables of both with the mode in front."""
    beside = [Preview(shadow.account, "shadow", shadow.result[0]) for shadow in shadows if shadow.result]
    every = [*live, *beside]
    metadata: dict[str, dg.MetadataValue] = {
        "differences that would be sent": dg.MetadataValue.int(_planned(live)),
        "would be sent": dg.MetadataValue.md(_sent_table(every)),
        "held back": dg.MetadataValue.int(_held(live)),
        "held back because": dg.MetadataValue.md(_held_table(every)),
    }
    if shadows:
        closed = "; ".join(f"{shadow.account}: {shadow.failure}" for shadow in shadows if shadow.failure)
        metadata |= {
            "shadow differences that would be sent": dg.MetadataValue.int(_planned(beside)),
            "shadow held back": dg.MetadataValue.int(_held(beside)),
            "shadow closed": dg.MetadataValue.text(closed or "no"),
        }
    return metadata


def _planned(previews: Sequence[Preview]) -> int:
    return sum(len(each.plan.planned) for each in previews)


def _held(previews: Sequence[Preview]) -> int:
    return sum(len(each.plan.held) for each in previews)


def _sent_table(previews: Sequence[Preview]) -> str:
    rows = [
        (each.mode, each.account, row.counter.customer_ref, row.counter.metric, row.counter.period_start, row.value)
        for each in previews
        for row in each.plan.planned
    ]
    return markdown_table(["mode", "account", "customer", "metric", "period from", "difference"], rows, _MOST_LISTED)


def _held_table(previews: Sequence[Preview]) -> str:
    rows = [
        (each.mode, each.account, held.counter.customer_ref, held.counter.metric, held.counter.period_start,
         held.delta, held.detail)
        for each in previews
        for held in each.plan.held
    ]  # fmt: skip
    return markdown_table(["mode", "account", "customer", "metric", "period from", "difference", "why"], rows)
