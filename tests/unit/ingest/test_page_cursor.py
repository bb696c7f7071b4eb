"""Cursors come back as the position they were made of, and nothing else is taken for one."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.page_cursor import Position, cursor_of, position_of
from ingest.problem import Problem


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))
def test_a_cursor_comes_back_as_its_position(xid: int, seq: int) -> None:
    assert position_of(cursor_of(Position(xid, seq))) == (xid, seq)


@pytest.mark.parametrize("position", [Position(2**64, 1), Position(1, 2**63)])
def test_a_position_that_cannot_be_is_refused(position: Position) -> None:
    with pytest.raises(Problem):
        position_of(cursor_of(position))


@given(st.text(max_size=30))
def test_any_other_text_is_refused_or_is_a_cursor(text: str) -> None:
    position = None
    with suppress(Problem):
        position = position_of(text)
    if position is not None:
        assert position_of(cursor_of(position)) == position
