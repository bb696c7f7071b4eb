"""The body of POST /v1/replay."""

import re
from typing import Literal

import msgspec

from ingest.acceptance import MAX_TEXT
from ingest.problem import Problem

MAX_NAMES = 1000
HASH = re.compile("[0-9a-f]{64}")


class ReplayBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What is to be replayed, and whether it is to be applied."""

    mode: Literal["dry-run", "apply"] = "dry-run"
    metrics: list[str] | None = None
    customers: list[str] | None = None
    since: str | None = None
    until: str | None = None
    closed: bool = False
    hash: str | None = None
    tenant_id: str | None = None


_body = msgspec.json.Decoder(ReplayBody)


def replay_in(body: bytes) -> ReplayBody:
    """The replay that a body asks for.

    Raises:
        Problem: 400, it is not such a body.
    """
    try:
        wanted = _body.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unusable(str(error)) from None
    for field, names in (("metrics", wanted.metrics), ("customers", wanted.customers)):
        if names is not None and not (
            1 <= len(names) <= MAX_NAMES and all(0 < len(name) <= MAX_TEXT and "\x00" not in name for name in names)
        ):
            raise unusable(f"{field} takes 1 to {MAX_NAMES} names of 1 to {MAX_TEXT} characters")
    if wanted.hash is not None and wanted.mode != "apply":
        raise unusable("hash goes with mode apply: it names a difference that was shown")
    if wanted.hash is not None and (
        wanted.metrics or wanted.customers or wanted.since or wanted.until or wanted.closed
    ):
        raise unusable("a hash says what is replayed: leave metrics, customers, since, until and closed out")
    if wanted.hash is not None and HASH.fullmatch(wanted.hash) is None:
        raise unusable("hash is 64 hexadecimal digits, as an answer had them")
    return wanted


def unusable(reason: str) -> Problem:
    """The 400 for a body that says something wrong."""
    return Problem(400, "bad-request", f"the body cannot be used: {reason}")
