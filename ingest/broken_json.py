"""Saying where a body that is not JSON breaks: the position, or the event and field that hold what JSON cannot."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from ingest.problem import Problem

Path = tuple[str | int, ...]

_NOT_A_NUMBER: Final = object()
_SURROGATE = re.compile("[\ud800-\udfff]")


def broken_json(body: bytes) -> Problem:
    """The 400 for a body that did not decode."""
    try:
        text = body.decode()
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=lambda _: _NOT_A_NUMBER)
        path, reason = next(_unusable(value, ()), ((), ""))
    except UnicodeDecodeError as error:
        detail = f"the body is not UTF-8: byte {error.start} cannot be read"
        return Problem(400, "not-json", detail, position=error.start)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return Problem(400, "not-json", f"the body is not JSON: {error.msg} at {where}", position=error.pos)
    except RecursionError:
        path, reason = (), ""
    if not reason:
        return Problem(400, "not-json", "the body is nested too deeply")
    index, field = _place(path)
    detail = f"the body is not JSON: event {index}, {field or 'as a whole,'} {reason}"
    return Problem(400, "not-json", detail, errors=[{"index": index, "field": field, "reason": reason}])


def _place(path: Path) -> tuple[int, str | None]:
    """The event's index and the field's name, of a single event and of a batch."""
    index, rest = 0, path
    if path[:1] == ("events",) and len(path) > 1 and isinstance(path[1], int):
        index, rest = path[1], path[2:]
    return index, str(rest[0]) if rest else None


def _unusable(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if value is _NOT_A_NUMBER:
        yield path, "is NaN or Infinity, which JSON has no word for"
    elif isinstance(value, str):
        if _SURROGATE.search(value):
            yield path, "holds half of a surrogate pair"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unusable(item, (*path, index))
    elif isinstance(value, dict):
        for name, item in value.items():
            safe = _SURROGATE.sub("\ufffd", name)
            if safe != name:
                yield (*path, safe), "has half of a surrogate pair in its name"
            yield from _unusable(item, (*path, safe))
