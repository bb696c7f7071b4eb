"""The push: Stripe is sent, per counter, the difference between what is counted and what it was told before.

Not partitioned: a push is about whatever moved, and after a tick that can be counters of two months at once. Which
period each difference belongs to is in the ledger, row by row.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

import dagster as dg

from dagster_project.defs import pools, stages
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.push_due import push_state
from dagster_project.lib.push_preview import live_previews, shadow_previews, would_be_sent
from dagster_project.lib.shadow_push import ShadowPush, push_shadows, shadow_metadata, what_waits
from dagster_project.lib.tables import markdown_table
from tally.billed_accounts import billed_accounts
from tally.push import DeliveryResult, Held, Planned, PlanResult, push

PUSH_INTENTS = dg.AssetKey(["tally", "push_intents"])
# What the sensor compares: metadata of the newest push, read before it planned.
MOVED = "counted, decided, replayed to"
NOTHING_WAITS = "nothing_waits_for_a_person"
NO_KEY = "STRIPE_API_KEY is not set: the counters are kept, nothing is sent"


class PushConfig(dg.Config):
    """How a push is run: `dry_run` only says what would be sent, and why something would not."""

    dry_run: bool = False


@dg.asset(
    key=PUSH_INTENTS,
    deps=[
        dg.AssetKey(["marts", "usage_counters"]),
        dg.AssetKey(["tally", "customer_periods"]),
    ],
    group_name=stages.PUSH,
    pool=pools.PUSH,
    owners=["team:billing"],
    kinds={"stripe", "postgres"},
    description=(
        "The push ledger: one row per difference sent to Stripe as a meter event, written before the call and settled "
        "after it. The sum of a counter's rows is what Stripe was told."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            NOTHING_WAITS,
            asset=PUSH_INTENTS,
            description="No difference was refused by Stripe or is disputed: those wait until a person decides.",
        )
    ],
    output_required=False,
)
def push_intents(
    context: dg.AssetExecutionContext, tally: TallyResource, config: PushConfig
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Plan what moved, deliver it, and settle what earlier pushes left open."""
    if not tally.has_stripe_key:
        context.log.warning(NO_KEY)
        yield dg.AssetCheckResult(
            check_name=NOTHING_WAITS, passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"why": NO_KEY}
        )
        return
    if config.dry_run:
        live, beside = live_previews(tally), shadow_previews(tally)
        context.log_event(dg.AssetObservation(PUSH_INTENTS, metadata=would_be_sent(live, beside)))
        yield _whether_a_person_is_needed([each.plan for each in live], [], beside)
        return
    plans, deliveries = [], []
    with tally.connect() as connection:
        moved = push_state(connection).moved
        for tenant_id, name in billed_accounts(connection):
            with tally.stripe(name) as account:
                planned, delivered = push(tally.settings, account, tenant_id, tally.clock(connection))
            plans.append(planned)
            deliveries.append(delivered)
        shadows = push_shadows(tally, connection)
    for shadow in shadows:
        context.log.info(f"shadow {shadow.account}: {shadow.failure or 'pushed'}")
    metadata = _sent(plans, deliveries) | {MOVED: dg.MetadataValue.text(moved)}
    yield dg.MaterializeResult(asset_key=PUSH_INTENTS, metadata=metadata | shadow_metadata(shadows))
    yield _whether_a_person_is_needed(plans, deliveries, shadows)
    if stopped := [delivery.stopped for delivery in deliveries if delivery.stopped]:
        raise dg.Failure(f"nothing is sent until `tally push resume`, or until another key works: {'; '.join(stopped)}")


def _sent(plans: list[PlanResult], deliveries: list[DeliveryResult]) -> dict[str, dg.MetadataValue]:
    planned = [intent for plan in plans for intent in plan.planned]
    held = [counter for plan in plans for counter in plan.held]
    return {
        "differences planned": dg.MetadataValue.int(len(planned)),
        "differences confirmed": dg.MetadataValue.int(sum(delivery.confirmed for delivery in deliveries)),
        "held back": dg.MetadataValue.int(len(held)),
        "still open": dg.MetadataValue.int(sum(sum(delivery.left.values()) for delivery in deliveries)),
        "planned by metric": dg.MetadataValue.md(_by_metric(planned)),
        "held back because": dg.MetadataValue.md(_held_back(held)),
    }


def _by_metric(planned: list[Planned]) -> str:
    moved: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for intent in planned:
        moved[intent.counter.metric, f"{intent.counter.period_start:%Y-%m-%d %H:%M}"].append(intent.value)
    rows = [(*key, len(values), sum(values)) for key, values in sorted(moved.items())]
    return markdown_table(["metric", "period from", "counters", "sum of differences"], rows)


def _held_back(held: list[Held]) -> str:
    rows = [(at.counter.customer_ref, at.counter.metric, at.counter.period_start, at.delta, at.detail) for at in held]
    return markdown_table(["customer", "metric", "period from", "difference", "why"], rows)


def _whether_a_person_is_needed(
    plans: list[PlanResult], deliveries: list[DeliveryResult], shadows: list[ShadowPush]
) -> dg.AssetCheckResult:
    waiting = [counter for plan in plans for counter in plan.held if counter.needs_a_person]
    refusals = [refusal for delivery in deliveries for refusal in delivery.refusals]
    disputed = sum(delivery.left.get("disputed", 0) for delivery in deliveries)
    shadow_waits = [sentence for shadow in shadows for sentence in what_waits(shadow)]
    return dg.AssetCheckResult(
        check_name=NOTHING_WAITS,
        passed=not (waiting or refusals or disputed or shadow_waits),
        # A counter without a subscription may be meant so, and a shadow bills nobody; what Stripe refused or disputes
        # of the live account is never meant so.
        severity=dg.AssetCheckSeverity.ERROR if refusals or disputed else dg.AssetCheckSeverity.WARN,
        metadata={
            "counters held back": dg.MetadataValue.md(_held_back(waiting)),
            "refusals": dg.MetadataValue.md(markdown_table(["Stripe refused"], [(refusal,) for refusal in refusals])),
            "disputed": dg.MetadataValue.int(disputed),
            "shadow": dg.MetadataValue.md(markdown_table(["what waits in shadow"], [(each,) for each in shadow_waits])),
        },
    )
