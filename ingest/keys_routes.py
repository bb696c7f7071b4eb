"""/v1/keys: the keys of the caller's own tenant, made and ended by a key with the scope keys:write."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import msgspec
import psycopg
from msgspec import UNSET

from ingest.keys_body import expiry_of, new_key_in, new_limits_in, overlap_in
from ingest.metrics import Metrics
from ingest.problem import Problem
from ingest.route import Call, Reply, Route
from tally.api_key_rotation import rotate_key
from tally.api_keys import (
    LIMITS,
    MAX_LIMIT,
    ApiKey,
    ApiKeyError,
    create_key,
    find_key,
    limit_key,
    list_keys,
    parse_key,
    revoke_key,
)
from tally.database import connect

SCOPE = "keys:write"
MAX_CALLS = 4
_T = TypeVar("_T")


@dataclass(frozen=True)
class KeysRoutes:
    """Works on connections of its own, in threads, a few at a time: keys are made now and then."""

    database_url: str
    metrics: Metrics
    calls: asyncio.Semaphore

    def routes(self) -> tuple[Route, ...]:
        """The routes of the keys."""
        return (
            Route("GET", "/v1/keys", SCOPE, self.listed),
            Route("POST", "/v1/keys", SCOPE, self.created),
            Route("PATCH", "/v1/keys/{key_id}", SCOPE, self.limited),
            Route("DELETE", "/v1/keys/{key_id}", SCOPE, self.revoked),
            Route("POST", "/v1/keys/{key_id}/rotate", SCOPE, self.rotated),
        )

    async def listed(self, call: Call) -> Reply:
        """The tenant's keys, oldest first, without their secrets."""
        keys = await self._with_database(lambda connection: list_keys(connection, call.key.tenant_id))
        return Reply(msgspec.json.encode({"keys": keys}))

    async def created(self, call: Call) -> Reply:
        """A new key, shown this once."""
        wanted = new_key_in(await call.body())
        _refuse_other_tenant(call, wanted.tenant_id)
        _refuse_more_rights(call, wanted.scopes)
        expires_at = expiry_of(wanted, call.now)
        rate = _no_faster(call.key.events_per_second, wanted.events_per_second, "events_per_second")
        burst = _no_faster(call.key.burst, wanted.burst, "burst")

        def create(connection: psycopg.Connection) -> tuple[str, ApiKey]:
            key = create_key(
                connection, call.key.tenant_id, wanted.name, wanted.scopes, expires_at,
                events_per_second=rate, burst=burst,
            )  # fmt: skip
            return key, _stored(connection, key)

        return _shown(*await self._with_database(create))

    async def limited(self, call: Call) -> Reply:
        """Other limits for a key."""
        wanted = new_limits_in(await call.body())
        _refuse_other_tenant(call, wanted.tenant_id)
        asked = {name: getattr(wanted, name) for name in LIMITS}
        limits = {name: value for name, value in asked.items() if value is not UNSET}
        for name, value in limits.items():
            _no_faster(getattr(call.key, name), MAX_LIMIT if value is None else value, name)
        key = await self._with_database(lambda connection: limit_key(connection, call.key.tenant_id, call.name, limits))
        if key is None:
            raise await self._no_such_key(call)
        return Reply(msgspec.json.encode(key))

    async def revoked(self, call: Call) -> Reply:
        """Revoke a key for good."""
        done = await self._with_database(lambda connection: revoke_key(connection, call.key.tenant_id, call.name))
        if not done:
            raise await self._no_such_key(call)
        return Reply(msgspec.json.encode({"key_id": call.name, "revoked": True}))

    async def rotated(self, call: Call) -> Reply:
        """A key in the place of another, shown this once; the other works on for the overlap."""
        wanted = overlap_in(await call.body())
        _refuse_other_tenant(call, wanted.tenant_id)
        overlap = timedelta(seconds=min(wanted.overlap_seconds, 10**9))

        def rotate(connection: psycopg.Connection) -> tuple[str, ApiKey] | None:
            old = find_key(connection, call.name)
            if old is None or old.tenant_id != call.key.tenant_id:
                return None
            # The new secret carries the old key's scopes: whoever lacks them must not get it.
            _refuse_more_rights(call, old.scopes)
            for limit in LIMITS:
                own, its = getattr(call.key, limit), getattr(old, limit)
                _no_faster(own, MAX_LIMIT if its is None else its, limit)
            rotation = rotate_key(connection, call.key.tenant_id, call.name, call.now, overlap)
            return None if rotation is None else (rotation.key, _stored(connection, rotation.key))

        made = await self._with_database(rotate)
        if made is None:
            raise await self._no_such_key(call)
        return _shown(*made)

    async def _no_such_key(self, call: Call) -> Problem:
        other = await self._with_database(lambda connection: find_key(connection, call.name))
        if other is not None and other.tenant_id != call.key.tenant_id:
            # The caller learns nothing of another tenant's keys; the operator does of the attempt.
            self.metrics.foreign_tenants.labels("/v1/keys/{key_id}").inc()
        return Problem(404, "not-found", "this tenant has no key with this id")

    async def _with_database(self, work: Callable[[psycopg.Connection], _T]) -> _T:
        def run() -> _T:
            with connect(self.database_url, autocommit=True) as connection:
                connection.execute("select set_config('statement_timeout', '5s', false)")
                return work(connection)

        async with self.calls:
            try:
                return await asyncio.to_thread(run)
            except ApiKeyError as error:
                raise Problem(400, "bad-request", str(error)) from None


def _stored(connection: psycopg.Connection, key: str) -> ApiKey:
    parsed = parse_key(key)
    found = find_key(connection, parsed[0]) if parsed is not None else None
    if found is None:
        raise LookupError("a key that was just made is not there")
    return found


def _shown(key: str, stored: ApiKey) -> Reply:
    about = {name: getattr(stored, name) for name in ApiKey.__dataclass_fields__}
    return Reply(msgspec.json.encode({"key": key, **about}), 201)


def _refuse_other_tenant(call: Call, tenant_id: str | None) -> None:
    if tenant_id is not None and tenant_id != call.key.tenant_id:
        raise Problem(403, "foreign-tenant", "tenant_id is not the tenant of this API key")


def _refuse_more_rights(call: Call, scopes: list[str] | tuple[str, ...]) -> None:
    if more := sorted(set(scopes) - set(call.key.scopes)):
        detail = f"a key hands on its own scopes and no others: this one lacks {', '.join(more)[:255]}"
        raise Problem(403, "scope-missing", detail)


def _no_faster(own: int | None, wanted: int | None, name: str) -> int | None:
    """The limit of a new key: as asked, the asking key's own by default, and never above that."""
    if own is not None and wanted is not None and wanted > own:
        raise Problem(403, "limit-exceeded", f"{name} is above this API key's own, {own}")
    return own if wanted is None else wanted
