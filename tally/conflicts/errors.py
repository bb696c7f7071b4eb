"""What the conflicts refuse on purpose."""

from tally.errors import TallyError


class NoConflict(TallyError):
    """No delivery under this key differs from the event's first one, as far as the ledger has read."""


class AlreadyDecided(TallyError):
    """Somebody has decided about this conflict before, and otherwise; the message says who and when."""


class UnclearChoice(TallyError):
    """Several deliveries differ from the first one, and none was named."""
