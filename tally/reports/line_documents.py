"""Lines as JSON documents and back, exactly; and the hash that says that they came back whole."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

import msgspec

from tally.reconciliation.lines import COLUMNS, Line

LINE_TYPES = get_type_hints(Line)


def document_of(line: Line) -> dict[str, Any]:
    """The line's columns: numbers and times as text, nothing rounded."""
    document: dict[str, Any] = msgspec.to_builtins(line)
    return document


def line_of(document: Mapping[str, Any]) -> Line:
    """The line of a document. A column that was not there when it was kept is None; one that is gone is left out."""
    values = {
        name: msgspec.convert(document[name], LINE_TYPES[name], str_keys=True) if name in document else None
        for name in COLUMNS
    }
    return Line(**values)  # type: ignore[arg-type]  # an older version's line may lack what is required today


def hash_of(documents: Iterable[tuple[Mapping[str, Any], str]]) -> str:
    """SHA-256, in hex, over lines and customer names; equal sets give equal hashes, in whatever order."""
    texts = sorted(json.dumps([dict(line), name], sort_keys=True, separators=(",", ":")) for line, name in documents)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
