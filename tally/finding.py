"""Something that is wrong and needs a person: what kind, of what, and the sentence that says so."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`kind` and `subject` stay the same while the same fault lasts; `sentence` has its numbers and may change.

    `is_global`: of the whole installation, so every tenant's look finds it and it is one fault all the same.
    """

    kind: str
    subject: str
    sentence: str
    is_global: bool = False

    def __str__(self) -> str:
        return self.sentence
