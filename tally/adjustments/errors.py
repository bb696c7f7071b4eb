"""What the adjustments refuse on purpose."""

from tally.errors import TallyError


class AdjustmentRefused(TallyError):
    """The adjustment cannot be made as asked; the message names the field and what it takes. Nothing was written."""


class NoSuchAdjustment(TallyError):
    """The tenant has no adjustment with this id."""


class WrongState(TallyError):
    """The adjustment is not in the state that the step begins in; the message says who decided what, and when."""


class SecondPersonNeeded(TallyError):
    """The tenant demands that somebody else than its maker approves an adjustment."""


class NotBookable(TallyError):
    """No period that the tenant's policy names can still bill the adjustment; it stays as it is."""


class AmountChanged(TallyError):
    """The late events are worth something else than was proposed: the adjustment waits with its new amount."""
