"""Partitions: months of period starts, in UTC (tally/months.py says why), and tenants.

Which months there are is the setting TALLY_MONTHS. Tenants are as declared: the sensor declared_tenants adds them.
"""

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


def month_and_tenant(partition_key: str) -> tuple[str, str]:
    """The two parts of a key of `months_of_tenants`, such as "2024-03|acme"."""
    month, _, tenant = partition_key.partition("|")
    return month, tenant
