"""What the parity suite does not need is found, and loaded when it is used; all else is imported as ever."""

import importlib
import sys
from importlib.util import LazyLoader

import pytest

from tally.reconciliation.unused_imports import NOT_OURS, loaded_on_use


@pytest.mark.parametrize("name", sorted(NOT_OURS))
def test_what_is_not_ours_waits(name: str) -> None:
    with loaded_on_use():
        spec = sys.meta_path[0].find_spec(name, _path_of_parent(name))
    assert spec is not None, f"{name} is no longer there: Great Expectations needs something else now"
    assert isinstance(spec.loader, LazyLoader)


def test_all_else_is_imported_as_ever() -> None:
    before = list(sys.meta_path)
    with loaded_on_use():
        assert sys.meta_path[0].find_spec("decimal", None) is None
    assert sys.meta_path == before


def _path_of_parent(name: str) -> list[str] | None:
    parent = name.rpartition(".")[0]
    return list(importlib.import_module(parent).__path__) if parent else None
