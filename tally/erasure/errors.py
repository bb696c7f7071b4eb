"""What an erasure refuses."""

from tally.errors import TallyError


class ErasureRefused(TallyError):
    """Nothing was erased; the message says why."""
