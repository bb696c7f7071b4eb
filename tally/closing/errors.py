"""What closing a period refuses on purpose."""

from tally.errors import TallyError


class ClosingRefused(TallyError):
    """It cannot be done as asked; the message says why and what to do. Nothing was changed."""


class NoSuchRest(TallyError):
    """The tenant has no rest with this id."""


class NoSuchHold(TallyError):
    """No hold of ours is open on this invoice; somebody else's is never touched."""


class Unpriceable(TallyError):
    """What a rest costs cannot be said for certain; the message says why. A person names the amount."""


class Outdated(TallyError):
    """Stripe says something else than was read last; what is read next is worked with."""
