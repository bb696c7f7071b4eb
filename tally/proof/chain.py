"""All that an invoice line stands on, link by link, as it is at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tally.explain import CounterRow, Definition
from tally.proof.billed_line import BilledLine
from tally.proof.erased import ErasedCustomer
from tally.proof.intents import SentIntent, total
from tally.proof.landed import LandedEvents
from tally.proof.other_deliveries import OtherDeliveries
from tally.proof.priced import Priced
from tally.proof.recorded import RecordedProof


@dataclass(frozen=True)
class Version:
    """The counters' version: they hold every landed row whose transaction id is below `read_to` of `cluster`.

    `is_one_moment` is false between two models of a tick; `has_detached_days`: some landed rows are archived.
    """

    read_to: str
    cluster: str
    counted_at: datetime | None
    is_one_moment: bool
    has_detached_days: bool


@dataclass(frozen=True)
class BookedAmount:
    """An adjustment that is part of the counter, and for how many events it stands."""

    adjustment_id: str
    amount: Decimal
    reason: str
    note: str
    decided_by: str | None
    decided_at: datetime | None
    events: int


@dataclass(frozen=True)
class Together:
    """What is counted of all that a line bills: `counters` segments of a period, their `value` added up."""

    counters: int
    value: Decimal


@dataclass(frozen=True)
class Chain:
    """A line and its links. `price` is a sentence where the line could not be priced; `proofs` were recorded before."""

    line: BilledLine
    read_at: datetime
    version: Version
    definition: Definition | None
    counter: CounterRow | None
    together: Together
    events: LandedEvents
    others: OtherDeliveries
    adjustments: Sequence[BookedAmount]
    intents: Sequence[SentIntent]
    price: Priced | str
    proofs: Sequence[RecordedProof]
    erased: ErasedCustomer | None = None

    @property
    def value(self) -> Decimal:
        """What is counted; no counter means that nothing was."""
        return self.counter.value if self.counter else Decimal(0)

    @property
    def billable(self) -> Decimal:
        """What the invoice line must bill: Stripe bills a negative total as 0."""
        return max(self.together.value, Decimal(0))

    @property
    def booked(self) -> Decimal:
        return total(each.amount for each in self.adjustments)

    @property
    def told(self) -> Decimal:
        """What Stripe has been told, or may have been."""
        return total(each.told for each in self.intents)

    @property
    def confirmed(self) -> Decimal:
        """What Stripe has certainly taken."""
        return total(each.confirmed for each in self.intents)

    @property
    def anchor(self) -> RecordedProof | None:
        """The proof that everything must still agree with: the newest one that holds for this invoice."""
        held = [each for each in self.proofs if each.holds and each.invoice_id == self.line.invoice_id]
        return held[-1] if held else None
