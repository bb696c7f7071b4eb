"""Properties: any JSON object, kept as the text that was sent, checked for what Postgres' jsonb would refuse later."""

import re
from typing import Any

import msgspec

from ingest.refusal import Refusal

MAX_DEPTH = 32
# The ledger casts this text to jsonb: one value that the cast refuses would stop every tick from then on.
_HUGE_NUMBER = re.compile(rb"[0-9][eE][+-]?[0-9]{3}|[0-9]{1000}")
_LONG_EXPONENT = re.compile(r"[eE][+-]?[0-9]{3}")
_SHORT = 2 * MAX_DEPTH  # characters: too few for deep nesting or a huge number without an exponent
_NUMBER_SHAPE = bytes.maketrans(b"E123456789", b"e000000000")
_LONG = 1000
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NUL = b"\\u0000"


def needs_care(text: str) -> bool:
    """Whether valid JSON in ASCII without escapes may still hold what is refused: huge numbers, deep nesting."""
    if _LONG_EXPONENT.search(text):
        return True
    return len(text) > _SHORT and (len(text) >= _LONG or text.count("{") + text.count("[") > MAX_DEPTH)


def none_needs_care(joined: bytes, objects: int, longest: int) -> bool:
    """Whether `needs_care` is plainly false of every object in `joined`; `longest` is the characters of the longest."""
    shape = joined.translate(_NUMBER_SHAPE)
    if longest >= _LONG or b"e000" in shape or b"e+000" in shape or b"e-000" in shape:
        return False
    # None is nested deeper than all brackets together, less the one that each of the others has.
    return joined.count(b"{") + joined.count(b"[") - objects + 1 <= MAX_DEPTH


def properties_text(raw: bytes, max_bytes: int) -> str:
    """The object's text as sent.

    Raises:
        Refusal: not an object, larger than `max_bytes`, or holding text or numbers that jsonb cannot keep.
    """
    if not raw.startswith(b"{"):
        raise Refusal("properties", "wrong_type", "is not an object")
    if len(raw) > max_bytes:
        raise Refusal("properties", "bad_properties", f"is {len(raw)} bytes of JSON; at most {max_bytes} are taken")
    if _HUGE_NUMBER.search(raw) and _HUGE_NUMBER.search(_STRING.sub(b'""', raw)):
        raise Refusal(
            "properties", "bad_properties", "holds a number of 1000 digits or an exponent of three digits, or more"
        )
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal("properties", "bad_properties", "holds text or a number that cannot be stored") from None
    except RecursionError:
        value = None
    if value is None or _depth_exceeds(value, MAX_DEPTH):
        raise Refusal("properties", "bad_properties", f"is nested deeper than {MAX_DEPTH} levels")
    if _NUL in raw and _has_nul(value):
        raise Refusal("properties", "bad_properties", "holds a NUL character, which Postgres cannot store")
    return raw.decode()


def _depth_exceeds(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_depth_exceeds(item, levels - 1) for item in inner)


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\x00" in value
