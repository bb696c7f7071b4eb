"""Whether a metric's counters can go to the Stripe meter that a mapping names: asked when the mapping is declared."""

from collections.abc import Mapping
from typing import Any

import psycopg

from tally.errors import ConfigurationError
from tally.stripe.meters import known_problem

_MAPPINGS = ("price_mappings", "shadow_mappings")
# Stripe carries 15 digits, and gives totals back as floats, which are exact below 2^53.
_TOO_LONG = """
select customer_ref, value from marts.usage_counters
where tenant_id = %(tenant_id)s and metric = %(metric)s
  and (
      abs(value) >= 9007199254740992
      or length(ltrim(replace(trim_scale(abs(value))::text, '.', ''), '0')) > 15
  )
order by period_start desc
limit 1
"""


def refuse_unusable_mapping(
    connection: psycopg.Connection[Any], table: str, key: Mapping[str, Any], mapping: Mapping[str, Any]
) -> None:
    """Refuse what every push would hold back. `mapping` is the whole declared row; other tables' rows pass.

    Raises:
        ConfigurationError: naming the metric, what is wrong with the meter or the counters, and what to declare.
    """
    if table not in _MAPPINGS or not mapping.get("active"):
        return
    tenant_id, metric = key["tenant_id"], key["metric"]
    problem = known_problem(connection, tenant_id, mapping["account"], mapping["event_name"])
    if problem is not None:
        raise ConfigurationError(f"meter {metric}: stripe event_name {mapping['event_name']}: {problem}")
    if connection.execute("select to_regclass('marts.usage_counters')").fetchone() == (None,):
        return
    long = connection.execute(_TOO_LONG, {"tenant_id": tenant_id, "metric": metric}).fetchone()
    if long is not None:
        raise ConfigurationError(
            f"meter {metric}: {long[0]} has a counter of {long[1]:f}, and Stripe carries 15 digits, below 2^53:"
            " declare a metric with divide_by, and map that one"
        )
