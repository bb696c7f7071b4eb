"""What runs together: a tick, a month's reconciliation, the ledger's own proof."""

import dagster as dg

from dagster_project.defs import stages
from dagster_project.defs.ledger.asset_checks import ledger_tests
from dagster_project.defs.ledger.assets import ledger_models
from dagster_project.defs.push.assets import NOTHING_WAITS, PUSH_INTENTS
from dagster_project.defs.stripe.assets import CUSTOMER_PERIODS, SUBSCRIPTION_ITEMS
from dagster_project.defs.usage_checks.asset_checks import check_usage
from dagster_project.defs.webhooks.assets import STRIPE_WEBHOOKS

TICK = "tick"
PUSH = "push"
RECONCILE = "reconcile"
SYNC = "sync"
VERIFY_LEDGER = "verify_ledger"
WEBHOOKS = "handle_webhooks"
CHECK_USAGE = "check_usage"

_PUSH = dg.AssetSelection.assets(PUSH_INTENTS).without_checks() | dg.AssetSelection.checks(
    dg.AssetCheckKey(PUSH_INTENTS, NOTHING_WAITS)
)

_PERIODS = dg.AssetSelection.assets(SUBSCRIPTION_ITEMS, CUSTOMER_PERIODS)

# A tick's cost follows the newly landed rows. The ledger's tests read history, so they have a job of their own.
tick = dg.define_asset_job(
    TICK,
    dg.AssetSelection.assets(*ledger_models.keys).without_checks() | _PUSH,
    description="Count what has landed, then send Stripe the differences. The sensor starts it where no loop runs.",
)
push = dg.define_asset_job(
    PUSH,
    _PUSH,
    description="Send Stripe the differences of what the loop has counted. Started by the sensor landed_rows.",
)
sync = dg.define_asset_job(
    SYNC,
    _PERIODS.without_checks(),
    description="Mirror Stripe's subscriptions and periods, so that events are dated by the periods that bill them.",
)
handle_webhooks = dg.define_asset_job(
    WEBHOOKS,
    dg.AssetSelection.assets(STRIPE_WEBHOOKS),
    description="Handle what Stripe told by webhook. Started by the sensor received_webhooks.",
)
reconcile = dg.define_asset_job(
    RECONCILE,
    (_PERIODS | dg.AssetSelection.groups(stages.STRIPE_TOTALS, stages.RECONCILIATION))
    - dg.AssetSelection.checks(*ledger_tests.check_keys),
    description="Read Stripe's side of a month, compare the four totals, judge, and report. Hourly for open months.",
)
verify_ledger = dg.define_asset_job(
    VERIFY_LEDGER,
    dg.AssetSelection.checks(*ledger_tests.check_keys),
    description="Run every dbt test: keys, arithmetic, and the open periods recomputed from their events.",
)
check_usage_job = dg.define_asset_job(
    CHECK_USAGE,
    dg.AssetSelection.checks(*check_usage.check_keys),
    description="Look at how usage arrives: silence, volume, repeats, lateness, conflicts, integrity. Changes nothing.",
)
