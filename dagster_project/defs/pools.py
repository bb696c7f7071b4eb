"""Pools: of the runs that use one, only one is at work (the limit is the instance's, deploy/dagster/dagster.yaml).

So no two runs count, send or judge the same tenant's period. What only looks has no pool and never waits.
"""

LEDGER = "ledger"
PUSH = "push"
STRIPE_MIRROR = "stripe_mirror"
RECONCILIATION = "reconciliation"
