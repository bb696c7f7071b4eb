"""Great Expectations imports its whole gallery of expectations; what others of them need waits until it is used."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

# Tests of distributions, and charts of them: a third of the library's import. Whoever uses one after all loads it then.
NOT_OURS = frozenset({"scipy.stats", "altair"})


class _LoadedOnUse(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in NOT_OURS:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None and found.loader is not None:
            found.loader = LazyLoader(found.loader)
        return found


@contextmanager
def loaded_on_use() -> Iterator[None]:
    """Imports in the block leave out what Great Expectations needs for expectations that the parity suite has not."""
    finder = _LoadedOnUse()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
