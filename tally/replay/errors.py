"""What replay refuses on purpose."""

from tally.errors import TallyError


class ReplayRefused(TallyError):
    """The request cannot be replayed as asked; the message names the field and the fix."""


class ReplayBusy(TallyError):
    """Another replay of this tenant is at work."""


class UnknownHash(ReplayRefused):
    """No shown replay of this tenant has the hash."""
