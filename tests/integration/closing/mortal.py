"""Work that dies: after each of its round trips to Postgres or Stripe, before it hears the answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import stripe


class Gone(BaseException):
    """This process is no more: nothing catches it."""


class Steps:
    """Counts round trips, and ends the process at one of them."""

    def __init__(self, last: int | None = None) -> None:
        """`last` is the step that is not survived: it takes effect, only nobody hears of it."""
        self.count = 0
        self._last = last

    def take(self, call: Callable[[], Any]) -> Any:
        self.count += 1
        done = call()
        if self.count == self._last:
            raise Gone
        return done


@contextmanager
def counted(steps: Steps) -> Iterator[Steps]:
    """Every statement and every request of the block is a step."""
    execute, request = psycopg.Cursor.execute, stripe.RequestsClient.request

    def mortal_execute(self: Any, *arguments: Any, **options: Any) -> Any:
        return steps.take(lambda: execute(self, *arguments, **options))

    def mortal_request(self: Any, *arguments: Any, **options: Any) -> Any:
        return steps.take(lambda: request(self, *arguments, **options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", mortal_execute)
        patch.setattr(stripe.RequestsClient, "request", mortal_request)
        yield steps


def deaths(work: Callable[[], object], start_over: Callable[[], None]) -> Iterator[str]:
    """Start over, die after the next step and yield where, for every step; before a step is after the one before it."""
    start_over()
    with counted(Steps()) as whole:
        work()
    for last in range(1, whole.count + 1):
        start_over()
        with pytest.raises(Gone), counted(Steps(last)):
            work()
        yield f"after step {last} of {whole.count}"
