"""One claim of a proof: what was found, what it must be, and by name what speaks against it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tally.push.identifiers import as_text

Step = Literal["events", "counter", "sent", "summary", "invoice", "price", "record"]
Verdict = Literal["ok", "differs", "unknown"]


@dataclass(frozen=True)
class Check:
    """`found` and `expected` as text; None: not known, which agrees with nothing. `against` names what is wrong."""

    step: Step
    claim: str
    found: str | None
    expected: str | None
    against: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if self.against:
            return "differs"
        if self.found is None or self.expected is None:
            return "unknown"
        return "ok" if self.found == self.expected else "differs"

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is wrong, in words; none when it is ok."""
        if self.verdict == "ok":
            return ()
        found, expected = ("not known" if each is None else each for each in (self.found, self.expected))
        return self.against or (f"{self.claim}: {found}, must be {expected}",)


def check(step: Step, claim: str, found: Decimal | int | None, expected: Decimal | int | None) -> Check:
    """Two numbers that must be the same to the last digit."""
    return Check(step, claim, _text(found), _text(expected))


def faultless(step: Step, claim: str, faults: Iterable[str], count: int | None = None) -> Check:
    """Nothing may speak against it; `count`, where not all that does is named."""
    against = tuple(faults)
    wrong = len(against) if count is None else count
    more = (f"and {wrong - len(against)} more",) if wrong > len(against) else ()
    return Check(step, claim, f"{wrong} faults", "0 faults", against + more)


def _text(number: Decimal | int | None) -> str | None:
    return None if number is None else as_text(Decimal(number))
