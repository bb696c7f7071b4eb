"""What proving refuses."""

from tally.errors import TallyError


class NothingToProve(TallyError):
    """No invoice line, invoice or counter of that name was read from Stripe; the message says what to do."""
