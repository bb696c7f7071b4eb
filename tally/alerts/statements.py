"""The SQL of alerts, kept as files so that it reads as SQL."""

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def statement(name: str) -> LiteralString:
    """The named file of `sql/`: ours, so as literal as a string in the source."""
    return (files(__package__) / "sql" / name).read_text()
