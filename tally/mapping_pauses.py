"""Mappings whose meter Stripe does not have or has archived: nothing is planned for them until it is back.

Events sent to such a meter are accepted and lost. A report of Stripe pauses, the next sync that finds the meter lifts.
"""

from collections.abc import Iterable
from typing import Any

import psycopg

from tally.stripe.mirror import MirrorKey
from tally.stripe.subscriptions import StripeMeter

_PAUSE = """
insert into tally.mapping_pauses (tenant_id, account, livemode, event_name, code, reason, event_id, paused_at)
select tenant_id, account, %(livemode)s, event_name, %(code)s, %(reason)s, %(event_id)s, %(now)s
from tally.push_mappings
where tenant_id = %(tenant_id)s and account = %(account)s and event_name = %(event_name)s and active
on conflict do nothing
"""
# What was planned and never sent would be lost like the others; one on its way is for its own report.
_CANCEL_PLANNED = """
update tally.push_intents
set state = 'cancelled', last_error = 'the mapping was paused before this was sent'
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s and event_name = %(event_name)s
  and state = 'planned' and first_attempt_at is null
"""
_LIFT = """
delete from tally.mapping_pauses
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s and event_name = any(%(found)s)
"""


def pause(connection: psycopg.Connection[Any], key: MirrorKey, event_name: str, code: str, event_id: str) -> None:
    """Plan nothing for the tenant's mapping to this meter, as the report `event_id` says that it swallows events."""
    reason = (
        f"Stripe has no active meter {event_name} ({code}) and drops what is sent to it: create or reactivate it;"
        " the next `tally sync` that finds it lifts this"
    )
    about = key.parameters(event_name=event_name, code=code, reason=reason, event_id=event_id)
    connection.execute(_PAUSE, about)
    connection.execute(_CANCEL_PLANNED, about)


def lift_pauses(connection: psycopg.Connection[Any], key: MirrorKey, meters: Iterable[StripeMeter]) -> int:
    """Lift those whose meter is among `meters`, just read, and takes deltas; returns how many."""
    found = sorted(meter.event_name for meter in meters if meter.problem is None)
    return connection.execute(_LIFT, key.parameters(found=found)).rowcount
