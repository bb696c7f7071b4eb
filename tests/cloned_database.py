"""Databases that several tests share: cloned from a template, and gone with the test process's server."""

from typing import Protocol


class Clone(Protocol):
    """The fixture `clone`."""

    def __call__(self, template: str, name: str) -> str:
        """Clone the database `template` under a name that is the fixture's own; its URL."""
