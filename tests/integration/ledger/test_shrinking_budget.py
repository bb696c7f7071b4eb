"""A failure whose examples are slow still ends soon, and says how to reproduce it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shrinking_budget import ShrinkingBudget


def test_shrinking_ends_with_its_budget_and_the_failure_stays() -> None:
    budget = ShrinkingBudget(seconds=0.5)
    runs = []

    @settings(max_examples=50, deadline=None, database=None, print_blob=True)
    @given(st.lists(st.integers(0, 1000), min_size=20))
    def total_stays_small(numbers: list[int]) -> None:
        if budget.is_spent_on(numbers):
            return
        with budget.watch(numbers):
            runs.append(numbers)
            time.sleep(0.1)
            assert sum(numbers) < 100

    with pytest.raises(AssertionError) as failure:
        total_stays_small()
    assert "reproduce_failure" in "".join(failure.value.__notes__)
    assert len(runs) < 30, "without a budget it is twice as many"
