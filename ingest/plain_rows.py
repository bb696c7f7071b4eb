"""Rows of many plain events at once: checks over whole columns, a fraction of what judging one by one costs.

Plain is what most apps send: printable ASCII without a backslash, short decimal numbers, UTC times. When anything in
the columns is otherwise the answer is None and the caller judges each event; nothing is ever refused here.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import repeat

from msgspec import Raw
from msgspec.structs import astuple

from ingest.acceptance import MAX_TEXT, Acceptance
from ingest.batch import Undecodable
from ingest.event import Event
from ingest.properties import needs_care, none_needs_care

_WORD = bytes(range(0x21, 0x7F)).replace(b"\\", b"")
_PROPERTIES = b" \n" + _WORD
_NUMBER = r"-?(?:[1-9][0-9]{0,8}(?:\.[0-9]{1,6}|[0-9]{1,6})?|0(?:\.[0-9]{1,6})?)"
_NUMBERS = re.compile(rf"(?:{_NUMBER}\n)*+")
_NUMBERS_AND_STRINGS = re.compile(rf'(?:{_NUMBER}\n|"{_NUMBER}"\n)*+')
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_SECOND = b"0000-00-00T00:00:00"
_TIME_SHAPES = {_SECOND + b"Z", *(_SECOND + b"." + b"0" * digits + b"Z" for digits in range(1, 7))}


def plain_rows(events: Sequence[Event | Undecodable], acceptance: Acceptance) -> list[str] | None:
    """The rows of these events, one each and in order, as `Acceptance.row` gives them; None unless all are plain."""
    if set(map(type, events)) != {Event}:
        return None
    columns = tuple(zip(*map(astuple, events), strict=True))
    keys, customers, metrics, times, raw_quantities, raw_properties, tenants = columns
    if (
        set(tenants) != {None}
        or not acceptance.meters.keys() >= set(metrics)
        or not _are_words(keys)
        or not _are_words(customers)
        or not _are_in_time(times, acceptance)
    ):
        return None
    quantities = _quantities(raw_quantities, metrics, acceptance.meters)
    properties = _properties(raw_properties, acceptance.settings.max_properties_bytes)
    if quantities is None or properties is None:
        return None
    fields = zip(repeat(acceptance.tenant_id), keys, customers, metrics, quantities, times, properties, strict=False)
    return list(map("\t".join, fields))


def _are_words(texts: Sequence[str]) -> bool:
    return not "".join(texts).encode().translate(None, _WORD) and "" not in texts and max(map(len, texts)) <= MAX_TEXT


def _are_in_time(times: Sequence[str], acceptance: Acceptance) -> bool:
    joined = "\n".join(times).encode()
    shape = times[0].encode().translate(_DIGITS_TO_ZERO)
    zeros = joined.translate(_DIGITS_TO_ZERO)
    alike = zeros == b"\n".join([shape] * len(times))
    if not _TIME_SHAPES.issuperset((shape,) if alike else zeros.split(b"\n")) or b"T24" in joined:
        return False
    try:
        moments = list(map(datetime.fromisoformat, times))
    except ValueError:
        return False
    return acceptance.earliest <= min(moments) and max(moments) <= acceptance.latest


def _quantities(raw: Sequence[Raw], metrics: Sequence[str], meters: Mapping[str, str]) -> Sequence[str] | None:
    # A number of JSON holds no line feed, and a string that does is not a number.
    texts = _text(raw)
    if texts is None:
        return None
    if "\n" in texts:
        texts = [
            "1\n" if text == "\n" and meters[metric] == "count" else text
            for text, metric in zip(texts, metrics, strict=True)
        ]
    joined = "".join(texts)
    if _NUMBERS.fullmatch(joined):
        return joined.split("\n")
    return joined.replace('"', "").split("\n") if _NUMBERS_AND_STRINGS.fullmatch(joined) else None


def _properties(raw: Sequence[Raw], max_bytes: int) -> Sequence[str] | None:
    """Each with the line feed that ends its row."""
    texts = _text(raw)
    if texts is None:
        return None
    absent = texts.count("\n")
    if absent == len(texts):
        return ["\\N\n"] * absent
    joined, objects, longest = ("\n" + "".join(texts)).encode(), len(texts) - absent, max(map(len, texts)) - 1
    if (
        joined.translate(None, _PROPERTIES)
        or joined.count(b"\n{") != objects
        or longest > max_bytes
        or not (none_needs_care(joined, objects, longest) or not any(map(needs_care, texts)))
    ):
        return None
    return texts if not absent else ["\\N\n" if text == "\n" else text for text in texts]


def _text(raw: Sequence[Raw]) -> list[str] | None:
    """Each with a line feed behind it; None when one holds a line feed of its own, or is not ASCII."""
    joined = b"\n".join(raw) + b"\n"
    if not joined.isascii():
        return None
    texts = joined.decode("ascii").splitlines(keepends=True)
    return texts if len(texts) == len(raw) else None
