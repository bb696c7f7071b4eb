"""Partitions: months of period starts, in UTC (tally/months.py says why), and tenants.

Which months there are is the setting TALLY_MONTHS. Tenants are as declared: the sensor declared_tenants adds them.
"""

from collections.abc import Collection

import dagster as dg

from tally.months import KEY_FORMAT, bounds, first_and_last
from tally.settings import load_settings

_FIRST, _LAST = first_and_last(load_settings().dagster_months)

# A partition normally exists once its month is over; these exist as soon as it has begun, to be reconciled meanwhile.
months = dg.MonthlyPartitionsDefinition(
    start_date=_FIRST,
    end_date=bounds(_LAST)[1] if _LAST else None,
    end_offset=0 if _LAST else 1,
    fmt=KEY_FORMAT,
)

tenants = dg.DynamicPartitionsDefinition(name="tenants")
months_of_tenants = dg.MultiPartitionsDefinition({"month": months, "tenant": tenants})


def outside_of_months(keys: Collection[str]) -> str:
    """A sentence about those of the keys ("2023-12") that TALLY_MONTHS leaves out; empty when it has all of them.

    A request for a run of such a month would fail the whole look, and the runs of the other months with it.
    """
    outside = sorted(key for key in set(keys) if not months.has_partition_key(key))
    if not outside:
        return ""
    return (
        f"Dagster does not reconcile {', '.join(outside)}: TALLY_MONTHS is {load_settings().dagster_months}. "
        f"Widen it and restart Dagster, or run `tally reconcile --month {outside[0]}`"
    )


def month_and_tenant(partition_key: str) -> tuple[str, str]:
    """The two parts of a key of `months_of_tenants`, such as "2024-03|acme"."""
    month, _, tenant = partition_key.partition("|")
    return month, tenant
