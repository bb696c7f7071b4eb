"""What pricing refuses: one exception a cause, each naming the field. Nothing is priced at zero for want of a rule."""

from tally.errors import TallyError


class PricingError(TallyError):
    """A price, quantity or bill that cannot be computed.

    `field` is the path of what is wrong, such as `tiers.2.up_to`; the message says what it takes.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message

    def within(self, place: str) -> "PricingError":
        """The same error, its field found inside `place`."""
        return type(self)(f"{place}.{self.field}", self.message)


class UnknownModel(PricingError):
    """A pricing model, tier mode or rounding rule that nobody has defined."""


class TiersMissing(PricingError):
    """A tiered price without a single tier. Stripe leaves tiers out unless they are expanded."""


class TiersNotClosed(PricingError):
    """The last tier has an end, or an earlier one has none: some quantity would be free or priced twice."""


class TiersUnordered(PricingError):
    """Tier ends that do not rise, repeat, or are not above zero."""


class AmountInvalid(PricingError):
    """An amount or rate that is missing, negative, out of range, a float, or has too many decimals."""


class TermsConflict(PricingError):
    """Fields that exclude each other, such as tiers with a package size or a minimum above the maximum."""


class QuantityInvalid(PricingError):
    """A quantity that is missing, a float, not a number, or refused because it is negative."""


class UnknownCurrency(PricingError):
    """A currency whose minor unit is not known."""


class MixedCurrencies(PricingError):
    """Amounts of two currencies in one sum."""


class OverApplied(PricingError):
    """More of a commitment or a credit was used than there is."""


class NoPriceInForce(PricingError):
    """No price is declared for a moment that has usage."""


class AmountTooLarge(PricingError):
    """An amount that does not fit 128 bits exactly, or whose rounded value does not fit 64."""
