"""What the checks look at: the settings, the database as far as it can be reached, and whether Stripe may be asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tally.settings import Settings


@dataclass
class Patient:
    """`connection` is in autocommit, read-only and bounded in time; None where there is none."""

    settings: Settings
    environment: Mapping[str, str] = field(repr=False)
    asks_stripe: bool
    connection: psycopg.Connection[Any] | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether the database is our own server under TALLY_HOME."""
        return not secret(self.settings.database_url)

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a reading statement; only for checks that need the database."""
        assert self.connection is not None
        return self.connection.execute(query.encode(), parameters).fetchall()

    def without_secrets(self, text: str) -> str:
        """`text` with every secret that the settings hold blacked out."""
        for held in self._secrets():
            text = text.replace(held, "•••")
        return text

    def _secrets(self) -> Iterator[str]:
        for name in ("stripe_api_key", "stripe_shadow_api_key"):
            if key := secret(getattr(self.settings, name)):
                yield key
        for entry in secret(self.settings.stripe_webhook_secrets).split():
            yield entry.rpartition(":")[2]
        if url := secret(self.settings.database_url):
            yield url
            try:
                password = urlsplit(url).password
            except ValueError:
                password = None
            if password:
                yield password


def secret(given: Any) -> str:
    """A secret setting's value; empty where there is none, which is what compose files make of an unset variable."""
    return given.get_secret_value() if given is not None else ""
