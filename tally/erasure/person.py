"""Who is to be forgotten, how the name is written where people and programs wrote it, and what takes its place."""

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

PREFIX = "erased-"
# A shorter name is a word like any other: it is looked for only in rows that are the customer's own.
SHORTEST_IN_TEXT = 4


@dataclass(frozen=True)
class Person:
    """A customer of a tenant. `pseudonym` and `secret` are random and, but for the pseudonym, kept nowhere."""

    tenant_id: str
    customer_ref: str
    pseudonym: str = field(default_factory=lambda: PREFIX + secrets.token_hex(12))
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @property
    def spellings(self) -> list[str]:
        """The name as it stands in text: plain, and inside JSON, of either habit, once or twice."""
        plain = self.customer_ref
        escaped = [json.dumps(plain, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True)]
        twice = [json.dumps(each)[1:-1] for each in escaped]
        return sorted({plain, *escaped, *twice}, key=lambda spelling: (-len(spelling), spelling))

    @property
    def pattern(self) -> str:
        """A regular expression of Postgres: the name as a whole word, in any spelling, also behind an escaped blank."""
        named = "|".join(re.escape(spelling) for spelling in self.spellings)
        return rf"(?:(?<![\w@.+-])|(?<=\\[nrt]))(?:{named})(?![\w@+-])(?!\.\w)"

    @property
    def is_found_in_text(self) -> bool:
        return len(self.customer_ref) >= SHORTEST_IN_TEXT

    def parameters(self, **more: Any) -> dict[str, Any]:
        """What the statements take."""
        return {
            "tenant_id": self.tenant_id,
            "customer_ref": self.customer_ref,
            "pseudonym": self.pseudonym,
            "secret": self.secret,
            "pattern": self.pattern,
            **more,
        }
