"""What `tally explain` refuses."""

from tally.errors import TallyError


class NothingToExplain(TallyError):
    """The tenant has no such counter; the message says what there is."""
