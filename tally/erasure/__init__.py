"""Forgetting a customer, so that every total stays provable: docs/runbooks/erasure.md."""

from tally.erasure.erasing import Erased, erase
from tally.erasure.errors import ErasureRefused
from tally.erasure.outside import Outside, StripeObject
from tally.erasure.person import Person
from tally.erasure.repeats import erase_repeats
from tally.erasure.search import Mention
from tally.erasure.showing import Erasable, Shown, show
from tally.erasure.standing import Standing

__all__ = [
    "Erasable",
    "Erased",
    "ErasureRefused",
    "Mention",
    "Outside",
    "Person",
    "Shown",
    "Standing",
    "StripeObject",
    "erase",
    "erase_repeats",
    "show",
]
