"""What Stripe was told of a counter, delta by delta, with the ids of the requests; and whether they hang together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

from tally.explain import EXACT, VOID
from tally.proof.billed_line import BilledLine
from tally.push.adoption import SEQUENCE_GAP
from tally.push.identifiers import identifier

# Stripe takes 15 digits: of a longer delta the leading ones went first.
_DIGITS = 15


@dataclass(frozen=True)
class SentIntent:
    """A delta, in the meter's unit. `request_ids` are Stripe's, of every attempt that it answered."""

    account: str
    livemode: bool
    seq: int
    value: Decimal
    counter_value: Decimal
    state: str
    identifier: str
    event_name: str
    stripe_customer_id: str
    event_ts: datetime
    planned_at: datetime
    confirmed_at: datetime | None
    confirmed_by: str | None
    request_ids: list[str]
    attempts: int

    @property
    def is_adopted(self) -> bool:
        """Whether it stands for what Stripe had already, when an older backup was restored."""
        return self.confirmed_by == "operator" and not self.attempts

    @property
    def told(self) -> Decimal:
        """What it adds to what Stripe has been told, or may have been."""
        return Decimal(0) if self.state in VOID else self.value

    @property
    def confirmed(self) -> Decimal:
        """What it adds to what Stripe has certainly taken."""
        return self.value if self.state == "confirmed" else Decimal(0)


def total(amounts: Iterator[Decimal]) -> Decimal:
    """Their exact sum."""
    with localcontext(EXACT):
        return sum(amounts, Decimal(0))


def loose_ends(line: BilledLine, intents: Sequence[SentIntent], erased_at: datetime | None = None) -> Iterator[str]:
    """What is wrong with the intents themselves, each by its identifier.

    `erased_at`: identifiers up to then were derived from a name that is gone.
    """
    last, told, is_certain = 0, Decimal(0), True
    for intent in intents:
        name = f"intent {intent.identifier}"
        if intent.seq - last not in (1, SEQUENCE_GAP):
            yield f"{name}: it is number {intent.seq}, where {last + 1} comes next"
        is_derivable = erased_at is None or intent.planned_at > erased_at
        if is_derivable and intent.identifier != _derived(line, intent):
            yield f"{name}: the identifier is not that of its counter, number, event name and Stripe customer"
        delta = EXACT.subtract(intent.counter_value, told)
        if is_certain and not intent.is_adopted and intent.value != delta and _fits(delta):
            yield (
                f"{name}: it adds {intent.value:f}, where {told:f} was told and the counter stood at"
                f" {intent.counter_value:f}"
            )
        if intent.confirmed_by in ("answer", "duplicate") and not intent.attempts:
            yield f"{name}: Stripe's answer confirmed it, and no attempt of it is kept"
        last, told = intent.seq, EXACT.add(told, intent.told)
        # Rejected long after it was taken: what was told when the later ones were planned is not known any more.
        is_certain = is_certain and intent.state != "rejected"


def _fits(delta: Decimal) -> bool:
    return len(delta.as_tuple().digits) <= _DIGITS


def _derived(line: BilledLine, intent: SentIntent) -> str:
    return identifier(
        line.account, line.livemode, line.tenant_id, intent.stripe_customer_id, intent.event_name, line.customer_ref,
        line.metric, line.period_start, intent.seq,
    )  # fmt: skip
