"""The push ledger's SQL, kept as files so that it reads as SQL."""

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def statement(*names: str) -> LiteralString:
    """The named files of `sql/`, joined: ours, so as literal as a string in the source."""
    return "\n".join((files(__package__) / "sql" / name).read_text() for name in names)
