"""What a check found: well, doubtful or wrong, in words, and how to mend it."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Result:
    """One line of the doctor's. `fix` is empty when there is nothing to do."""

    check: str
    state: State
    found: str
    fix: str = ""


def ok(check: str, found: str) -> Result:
    """All is well."""
    return Result(check, "ok", found)


def warning(check: str, found: str, fix: str) -> Result:
    """Works, and somebody should look at it."""
    return Result(check, "warning", found, fix)


def wrong(check: str, found: str, fix: str) -> Result:
    """Does not work, or bills wrongly sooner or later."""
    return Result(check, "wrong", found, fix)
