"""A webhook of Stripe: its signature checked by Stripe's own SDK, and what it names. Nothing else of it is used."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import stripe

from ingest.problem import Problem
from tally.webhook_secrets import WebhookSecret

# Stripe's own default. The signature's time is the sender's real time, so the machine's clock judges it.
TOLERANCE_SECONDS = 300

_Id = Annotated[str, msgspec.Meta(pattern=r"^evt_[0-9A-Za-z_]{1,250}\Z")]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,255}\Z")]
_CONNECTED = re.compile(r"acct_[0-9A-Za-z_]{1,240}")
_SHADOW = "shadow"


class _Subject(msgspec.Struct):
    id: _Name | None = None


class _Data(msgspec.Struct):
    object: _Subject


class _Snapshot(msgspec.Struct, tag="event", tag_field="object"):
    id: _Id
    type: _Name
    created: Annotated[int, msgspec.Meta(ge=0, lt=10**11)]
    livemode: bool
    data: _Data
    account: str | None = None


class _Thin(msgspec.Struct, tag="v2.core.event", tag_field="object"):
    id: _Id
    type: _Name
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    livemode: bool
    related_object: _Subject | None = None
    context: str | None = None


class WebhookEvent(msgspec.Struct, frozen=True):
    """What is kept of a webhook: names. `account` is the one the event is of, which is not always the endpoint's."""

    account: str
    livemode: bool
    event_id: str
    payload: Literal["snapshot", "thin"]
    type: str
    object_id: str | None
    created_at: datetime


_decoder = msgspec.json.Decoder(_Snapshot | _Thin)


def webhook_event(body: bytes, signature: bytes | None, account: str, secrets: Sequence[WebhookSecret]) -> WebhookEvent:
    """The event of a webhook that came in for `account`, signed with one of its `secrets`.

    Raises:
        Problem: 400 for a signature that is missing, wrong or too old, for a body that is no event of Stripe, and for
            an event of another mode than its secret or of another account than its endpoint.
    """
    livemode = _signed_mode(body, signature, secrets)
    try:
        event = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "not-an-event", f"the body is no event of Stripe: {error}") from None
    if event.livemode != livemode:
        raise Problem(400, "wrong-mode", f"a {_mode(event.livemode)} event came from a {_mode(livemode)} endpoint")
    named = event.account if isinstance(event, _Snapshot) else event.context
    subject = event.data.object if isinstance(event, _Snapshot) else event.related_object
    created = datetime.fromtimestamp(event.created, UTC) if isinstance(event, _Snapshot) else event.created
    return WebhookEvent(
        _account_of(named, account),
        livemode,
        event.id,
        "snapshot" if isinstance(event, _Snapshot) else "thin",
        event.type,
        subject.id if subject is not None else None,
        created,
    )


def _signed_mode(body: bytes, signature: bytes | None, secrets: Sequence[WebhookSecret]) -> bool:
    if signature is None:
        raise Problem(400, "signature-missing", "there is no Stripe-Signature header: only Stripe's webhooks are taken")
    # The SDK compares text, and fails on what is not ASCII.
    header = signature.decode("ascii", "replace").replace("\ufffd", "?")
    for known in secrets:
        if not _is_signed(body, header, known.secret, None):
            continue
        if not _is_signed(body, header, known.secret, TOLERANCE_SECONDS):
            detail = f"the signature is older than {TOLERANCE_SECONDS} seconds: is this machine's clock right?"
            raise Problem(400, "signature-expired", detail)
        return known.livemode
    raise Problem(400, "signature-invalid", "the signature is of none of this account's secrets")


def _is_signed(body: bytes, header: str, secret: str, tolerance: int | None) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, tolerance)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _account_of(named: str | None, endpoint: str) -> str:
    """A platform's endpoint ("self", "shadow") also gets the events of accounts connected to it, which they name."""
    if named is None or named == endpoint.removeprefix(f"{_SHADOW}:"):
        return endpoint
    if endpoint in ("self", _SHADOW) and _CONNECTED.fullmatch(named):
        return named if endpoint == "self" else f"{_SHADOW}:{named}"
    raise Problem(400, "wrong-account", f"the event is not of the account that this address is for, {endpoint}")


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"
