"""API keys: `tly_<key_id>_<secret>`, shown once. The tenant comes from the key and from nowhere else.

The secret has 256 bits of randomness, so its SHA-256 needs no salt and no slow hash, and nothing else is stored.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tally.errors import TallyError

MAX_LIMIT = 2**31 - 1
LIMITS = ("events_per_second", "burst")
SCOPES = ("events:write", "events:read", "usage:read", "config:write", "keys:write")
Standing = Literal["valid", "expired", "revoked"]

_KEY = re.compile(r"tly_([0-9a-z]{1,32})_([0-9A-Za-z_-]{1,128})")
_COLUMNS = (
    "key_id, tenant_id, name, scopes, created_at, expires_at, revoked_at, "
    + "last_used_at, events_per_second, burst, replaces"
)
# Numbered parameters: read by psycopg here and by the door's asyncpg.
FIND_KEY = f"select {_COLUMNS}, secret_hash from tally.api_keys where key_id = $1"


class ApiKeyError(TallyError):
    """A key cannot be made as asked; the message says why."""


@dataclass(frozen=True)
class ApiKey:
    """A stored key, as far as it may be shown. Times are UTC.

    `last_used_at` is true to the minute. `events_per_second` and `burst` are None where the door's settings hold.
    `replaces` is the key that was rotated into this one.
    """

    key_id: str
    tenant_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = None
    events_per_second: int | None = None
    burst: int | None = None
    replaces: str | None = None

    def standing(self, now: datetime) -> Standing:
        """Whether the key may be used at `now`. A revoked key stays revoked whatever the clock says."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


@dataclass(frozen=True)
class CheckedKey(ApiKey):
    """A key with what it takes to check a caller's secret: the SHA-256 of it, 32 bytes."""

    secret_hash: bytes = field(repr=False, kw_only=True)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "CheckedKey":
        """A key from a row of `FIND_KEY`."""
        return cls(**{**row, "scopes": tuple(row["scopes"]), "secret_hash": bytes(row["secret_hash"])})

    def matches(self, secret: str) -> bool:
        """Whether `secret` is this key's, compared in constant time."""
        return hmac.compare_digest(self.secret_hash, _hash(secret))


def parse_key(text: str) -> tuple[str, str] | None:
    """The key id and the secret of `tly_<key_id>_<secret>`; None when it is no such text."""
    match = _KEY.fullmatch(text)
    return None if match is None else (match[1], match[2])


def create_key(
    connection: psycopg.Connection,
    tenant_id: str,
    name: str,
    scopes: Iterable[str] = ("events:write",),
    expires_at: datetime | None = None,
    *,
    events_per_second: int | None = None,
    burst: int | None = None,
    replaces: str | None = None,
) -> str:
    """Store a new key and return it whole: the only time that its secret is seen.

    Raises:
        ApiKeyError: no such tenant, no scope, a scope that does not exist, or a limit below 1.
    """
    wanted = sorted(set(scopes))
    if not wanted or (unknown := [scope for scope in wanted if scope not in SCOPES]):
        raise ApiKeyError(f"{', '.join(unknown) if wanted else 'no scope'} given: scopes are {', '.join(SCOPES)}")
    if expires_at is not None and expires_at.tzinfo is None:
        raise ApiKeyError("expires_at has no time zone")
    _check_limits({"events_per_second": events_per_second, "burst": burst})
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    try:
        with connection.transaction():
            connection.execute(
                "insert into tally.api_keys (key_id, tenant_id, name, secret_hash, scopes, expires_at, "
                "events_per_second, burst, replaces) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (key_id, tenant_id, name, _hash(secret), wanted, expires_at, events_per_second, burst, replaces),
            )
    except psycopg.errors.ForeignKeyViolation:
        raise ApiKeyError(f"there is no tenant {tenant_id!r}: declare it with `tally apply` first") from None
    return f"tly_{key_id}_{secret}"


def find_key(connection: psycopg.Connection, key_id: str) -> CheckedKey | None:
    """The key with this id, revoked and expired ones included."""
    row = psycopg.RawCursor(connection, row_factory=dict_row).execute(FIND_KEY, (key_id,)).fetchone()
    return None if row is None else CheckedKey.from_row(row)


def list_keys(connection: psycopg.Connection, tenant_id: str) -> list[ApiKey]:
    """A tenant's keys, oldest first."""
    select = f"select {_COLUMNS} from tally.api_keys where tenant_id = %s order by created_at, key_id"
    with connection.cursor(row_factory=dict_row) as cursor:
        return [ApiKey(**{**row, "scopes": tuple(row["scopes"])}) for row in cursor.execute(select, (tenant_id,))]


def limit_key(
    connection: psycopg.Connection, tenant_id: str, key_id: str, limits: Mapping[str, int | None]
) -> ApiKey | None:
    """Change limits of a tenant's key, named as in `LIMITS`; running doors hold to them within 5 seconds.

    A limit that is not named stays; None leaves it to the doors' settings. None: the tenant has no such key.

    Raises:
        ApiKeyError: no limit is named, or one is not 1..`MAX_LIMIT`.
    """
    if not limits or (unknown := sorted(set(limits) - set(LIMITS))):
        raise ApiKeyError(f"{', '.join(unknown) if limits else 'no limit'} given: limits are {', '.join(LIMITS)}")
    _check_limits(limits)
    changes = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), limits[name]) for name in limits)
    update = sql.SQL("update tally.api_keys set {} where tenant_id = {} and key_id = {} returning {}").format(
        changes, tenant_id, key_id, sql.SQL(_COLUMNS)
    )
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(update).fetchone()
        return None if row is None else ApiKey(**{**row, "scopes": tuple(row["scopes"])})


def revoke_key(connection: psycopg.Connection, tenant_id: str, key_id: str) -> bool:
    """Revoke a tenant's key for good; doors refuse it within 5 seconds. False: the tenant has no such key."""
    with connection.transaction():
        changed = connection.execute(
            "update tally.api_keys set revoked_at = coalesce(revoked_at, now()) where tenant_id = %s and key_id = %s",
            (tenant_id, key_id),
        )
        return changed.rowcount == 1


def _check_limits(limits: Mapping[str, int | None]) -> None:
    for name, value in limits.items():
        if value is not None and not 1 <= value <= MAX_LIMIT:
            raise ApiKeyError(f"{name} is {value}; 1 to {MAX_LIMIT} are taken")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
