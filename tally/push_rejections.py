"""Intents that Stripe accepted and dropped later: void, and held back until a person or a mended cause releases them.

The value of a rejected intent is back in its counter's delta. Sent again at once it would be dropped again, and again.
So the counter waits: for `tally push --retry-refused`, or for the cause to be gone, which some of Stripe's codes let us
see.
"""

from typing import Any

import psycopg

from tally.stripe.mirror import MirrorKey

# The meter is not there or not active: gone with the pause of its mapping.
METER_CODES = frozenset({"no_meter", "archived_meter"})
# The Stripe customer was deleted: gone when another one pays for the counter.
CUSTOMER_CODES = frozenset({"meter_event_customer_not_found"})
# Clocks were apart, or the event waited too long: the next delta has a newer time.
TIME_CODES = frozenset({"timestamp_in_future", "timestamp_too_far_in_past"})
# All others are about what was sent: only a person mends those.

# More often in a day than this, and what looks mended is not.
MOST_RELEASES_A_DAY = 3

# Only what is certain to have arrived can have been dropped. One still on its way is settled first, then looked at.
_REJECT = """
update tally.push_intents
set
    state = 'rejected', rejected_at = %(now)s, rejected_code = %(code)s, lease_until = null,
    last_error = 'Stripe accepted it and dropped it later: ' || %(code)s || ': ' || %(message)s
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
  and identifier = any(%(identifiers)s) and state in ('confirmed', 'resolving', 'disputed')
"""
_RELEASE = """
update tally.push_intents as intent
set state = 'cancelled', last_error = intent.last_error || '; released: its cause is gone'
where intent.tenant_id = %(tenant_id)s and intent.account = %(account)s and intent.livemode = %(livemode)s
  and intent.state = 'rejected' and intent.rejected_at is not null
  and (
      select count(*) from tally.push_intents as other
      where other.tenant_id = intent.tenant_id and other.account = intent.account and other.livemode = intent.livemode
        and other.customer_ref = intent.customer_ref and other.metric = intent.metric
        and other.period_start = intent.period_start and other.rejected_at > %(now)s - interval '1 day'
  ) <= %(most)s
  and case
      when intent.rejected_code = any(%(meter_codes)s) then not exists (
          select from tally.push_mappings as mapping
          inner join tally.mapping_pauses as pause using (tenant_id, account, event_name)
          where mapping.tenant_id = intent.tenant_id and mapping.account = intent.account
            and mapping.metric = intent.metric and pause.livemode = intent.livemode
      )
      when intent.rejected_code = any(%(customer_codes)s) then (
          select bool_and(item.stripe_customer_id <> intent.stripe_customer_id)
          from tally.stripe_subscription_items as item
          where item.tenant_id = intent.tenant_id and item.account = intent.account
            and item.livemode = intent.livemode and item.customer_ref = intent.customer_ref
            and item.metric = intent.metric and item.ended_at is null
      )
      when intent.rejected_code = any(%(time_codes)s) then intent.rejected_at <= %(now)s - interval '10 minutes'
  end
"""


def reject(
    connection: psycopg.Connection[Any], key: MirrorKey, code: str, message: str, identifiers: list[str]
) -> None:
    """Void the tenant's intents of these identifiers: Stripe dropped them with this code."""
    about = key.parameters(code=code, message=message, identifiers=identifiers)
    connection.execute(_REJECT, about)


def release_mended(connection: psycopg.Connection[Any], key: MirrorKey) -> int:
    """Let the next plan take up again what was rejected for a cause that is gone; returns how many intents."""
    codes = {
        "meter_codes": sorted(METER_CODES),
        "customer_codes": sorted(CUSTOMER_CODES),
        "time_codes": sorted(TIME_CODES),
    }
    return connection.execute(_RELEASE, key.parameters(most=MOST_RELEASES_A_DAY, **codes)).rowcount
