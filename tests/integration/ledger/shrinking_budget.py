"""A bound on how long Hypothesis may shrink a failure: its own is five minutes, and an example here costs seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class ShrinkingBudget:
    """Counts from the first failure. When it is spent, only examples that failed before are run; new ones pass unseen.

    So the shrinker gives up at once, keeps the smallest failure found until then, and prints how to reproduce it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self._failed: set[str] = set()

    def is_spent_on(self, example: object) -> bool:
        """Whether the example is to be left out."""
        return self._until is not None and time.monotonic() > self._until and repr(example) not in self._failed

    @contextmanager
    def watch(self, example: object) -> Iterator[None]:
        """Remember the example if what is done with it fails."""
        try:
            yield
        except BaseException:
            self._failed.add(repr(example))
            self._until = self._until or time.monotonic() + self._seconds
            raise
