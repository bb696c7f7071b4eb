"""The file of rejects: a JSON object a line, with the row, the reason, and the row as it was."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from ingest.answer import Result
from ingest.importing.reading import ImportRefused


class Rejects:
    """Appends to `path` behind its first `keep` bytes; None as the path keeps nothing."""

    def __init__(self, path: Path | None, keep: int) -> None:
        self._path = path
        self._keep = keep

    def __enter__(self) -> Self:
        self._file = None
        if self._path is not None:
            try:
                self._file = self._path.open("ab")
                # What a killed run wrote of rows that it never landed comes again.
                self._file.truncate(min(self._keep, self._path.stat().st_size))
            except OSError as error:
                raise ImportRefused(f"{self._path} cannot be written: {error.strerror}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: int, result: Result, original: Any) -> None:
        """One rejected row."""
        if self._file is not None:
            about = {"row": row, "field": result.field, "reason": result.reason, "original": original}
            self._file.write(msgspec.json.encode(about) + b"\n")

    def size(self) -> int:
        """Bytes written, all of them handed to the system."""
        if self._file is None:
            return 0
        self._file.flush()
        return self._file.tell()
