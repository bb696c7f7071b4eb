"""What retention refuses."""

from tally.errors import TallyError


class RetentionRefused(TallyError):
    """Nothing was taken away; the message says why."""
