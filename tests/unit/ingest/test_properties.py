"""Properties are kept as sent, unless Postgres could not read them later."""

import pytest

from ingest.properties import MAX_DEPTH, properties_text
from ingest.refusal import Refusal


@pytest.mark.parametrize(
    "sent",
    [
        b"{}",
        b'{"a": 1.50, "b": [true, null], "c": {"d": "\xc3\xbc"}}',
        b'{"sha": "3e100aa1e999"}',
        rb'{"path": "C:\\u0000ish", "pair": "\ud83d\ude00"}',
        b'{"a":' * (MAX_DEPTH - 1) + b"1" + b"}" * (MAX_DEPTH - 1),
        b'{"digits": ' + b"9" * 300 + b"}",
    ],
)
def test_an_object_is_kept_as_sent(sent: bytes) -> None:
    assert properties_text(sent, 4096) == sent.decode()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"[1]", "not an object"),
        (b'"x"', "not an object"),
        (b'{"a": "' + b"x" * 4096 + b'"}', "at most 4096"),
        (rb'{"a": "\u0000"}', "NUL"),
        (rb'{"a": [{"\u0000": 1}]}', "NUL"),
        (b'{"a": 1e999999}', "exponent"),
        (b'{"a": 1E-20000}', "exponent"),
        (b'{"a": ' + b"9" * 1000 + b"}", "1000 digits"),
        (b'{"a": "\xff"}', "cannot be stored"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "nested deeper"),
        (b'{"a":' + b"[" * 1500 + b"]" * 1500 + b"}", "nested deeper"),
    ],
)
def test_what_jsonb_would_refuse_is_refused_here(sent: bytes, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        properties_text(sent, 4096)
    assert caught.value.field == "properties"
    assert reason in caught.value.reason
