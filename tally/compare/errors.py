"""What stops a comparison."""

from collections.abc import Sequence

from tally.errors import TallyError

MOST_FAULTS = 10


class CompareRefused(TallyError):
    """The file cannot be compared as asked; nothing was judged."""

    @classmethod
    def of_rows(cls, faults: Sequence[str]) -> "CompareRefused":
        """Of rows that cannot be read: the first few, and how many more there are."""
        shown = "; ".join(faults[:MOST_FAULTS])
        more = f"; and more: reading stopped after {len(faults)}" if len(faults) > MOST_FAULTS else ""
        return cls(f"{shown}{more}")
