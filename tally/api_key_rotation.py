"""Rotating an API key: a new secret with the same rights, and a while in which both work."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from tally.api_keys import ApiKeyError, create_key, find_key

DEFAULT_OVERLAP = timedelta(hours=24)
MAX_OVERLAP = timedelta(days=30)


@dataclass(frozen=True)
class Rotation:
    """The new key, whole and this once, and when the old one stops (UTC)."""

    key: str
    old_key_expires_at: datetime


def rotate_key(
    connection: psycopg.Connection, tenant_id: str, key_id: str, now: datetime, overlap: timedelta = DEFAULT_OVERLAP
) -> Rotation | None:
    """Make a key with the name, scopes, limits and lifetime of this one, which ends `overlap` from `now` at most.

    None: the tenant has no such key.

    Raises:
        ApiKeyError: the key is revoked or expired, or the overlap is not between nothing and 30 days.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise ApiKeyError(f"the overlap is 0 to {MAX_OVERLAP.days} days")
    with connection.transaction():
        # Two rotations of one key wait for each other.
        connection.execute("select from tally.api_keys where key_id = %s for update", (key_id,))
        old = find_key(connection, key_id)
        if old is None or old.tenant_id != tenant_id:
            return None
        standing = old.standing(now)
        if standing != "valid":
            raise ApiKeyError(f"the key is {standing}: create a new one instead")
        ends = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
        expires_at = None if old.expires_at is None else now + (old.expires_at - old.created_at)
        key = create_key(
            connection, tenant_id, old.name, old.scopes, expires_at,
            events_per_second=old.events_per_second, burst=old.burst, replaces=key_id,
        )  # fmt: skip
        connection.execute("update tally.api_keys set expires_at = %s where key_id = %s", (ends, key_id))
    return Rotation(key, ends)
