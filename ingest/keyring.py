"""Who is calling: bearer keys, kept for a few seconds so that the hot path asks the database for none of them."""

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime
from time import monotonic

from ingest.key_use import KeyUse
from ingest.link import Link
from ingest.problem import Problem, unauthorized
from tally.api_keys import FIND_KEY, CheckedKey, parse_key

# A revocation must work within 5 seconds; the read that follows the expiry takes its share of them.
KEPT_SECONDS = 3.0
MAX_KEPT = 10_000
_NOBODY = CheckedKey("", "", "", (), datetime.min.replace(tzinfo=UTC), None, None, secret_hash=bytes(32))


class Keyring:
    """The keys seen lately, unknown ones included."""

    def __init__(self, link: Link, uses: KeyUse) -> None:
        self._link = link
        self._uses = uses
        self._kept: OrderedDict[str, tuple[float, CheckedKey | None]] = OrderedDict()
        self._proven: dict[bytes, tuple[float, CheckedKey]] = {}
        self._reading = asyncio.Lock()

    async def authenticate(self, authorization: bytes | None, now: datetime, scope: str) -> CheckedKey:
        """The key of an Authorization header, good for `scope` at `now`.

        Raises:
            Problem: 401 when it is missing, unknown, expired or revoked, 403 when it lacks the scope.
            DatabaseLost: it is not known here and cannot be read.
        """
        key = self._proven_by(authorization) or await self._prove(authorization)
        standing = key.standing(now)
        if standing != "valid":
            raise unauthorized(f"key-{standing}", f"this API key is {standing}")
        if scope not in key.scopes:
            raise Problem(
                403, "scope-missing", f"this API key lacks the scope {scope}; it has {', '.join(sorted(key.scopes))}"
            )
        self._uses.note(key.key_id)
        return key

    def at_once(self, authorization: bytes | None, now: datetime, scope: str) -> CheckedKey | None:
        """The same for a key proven right a moment ago; None for any other, and for one that is not good for this."""
        key = self._proven_by(authorization)
        if key is None or key.standing(now) != "valid" or scope not in key.scopes:
            return None
        self._uses.note(key.key_id)
        return key

    def _proven_by(self, authorization: bytes | None) -> CheckedKey | None:
        """The key of a header that was proven right a moment ago. What takes longer when it is nearly right is no guide
        to guessing one: a dictionary compares the bytes only where their keyed hashes are equal."""
        proven = None if authorization is None else self._proven.get(authorization)
        return proven[1] if proven is not None and monotonic() - proven[0] < KEPT_SECONDS else None

    async def _prove(self, authorization: bytes | None) -> CheckedKey:
        if authorization is None:
            raise unauthorized("key-missing", "send an API key with the header Authorization: Bearer tly_...")
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        parsed = parse_key(token.strip()) if scheme.lower() == "bearer" else None
        if parsed is None:
            raise unauthorized("key-malformed", "the Authorization header is not of the form Bearer tly_<id>_<secret>")
        key_id, secret = parsed
        key = await self._find(key_id)
        if not (key or _NOBODY).matches(secret) or key is None:
            raise unauthorized("key-unknown", "there is no such API key")
        if len(self._proven) >= MAX_KEPT:
            self._proven.clear()
        self._proven[authorization] = (self._kept[key_id][0], key)
        return key

    async def _find(self, key_id: str) -> CheckedKey | None:
        if (kept := self._fresh(key_id)) is not None:
            return kept[1]
        async with self._reading:
            if (kept := self._fresh(key_id)) is not None:
                return kept[1]
            asked_at = monotonic()
            rows = await self._link.fetch(FIND_KEY, key_id)
            key = CheckedKey.from_row(dict(rows[0])) if rows else None
            self._kept[key_id] = (asked_at, key)
            self._kept.move_to_end(key_id)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
            return key

    def _fresh(self, key_id: str) -> tuple[float, CheckedKey | None] | None:
        kept = self._kept.get(key_id)
        return kept if kept is not None and monotonic() - kept[0] < KEPT_SECONDS else None
