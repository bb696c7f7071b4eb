"""Keys that are derived: never the same for two events, and nothing else of an event is touched."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cloud_events import decode_cloud_event
from ingest.derived_keys import MAX_HEADER, key_stem, with_key
from ingest.event import Event
from ingest.problem import Problem

VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.text("ab:", min_size=1), st.integers(0, 999))
def test_an_event_gets_a_key_and_stays_as_it_was(members: dict[str, object], stem: str, index: int) -> None:
    members.pop("idempotency_key", None)
    made = json.loads(bytes(with_key(json.dumps(members).encode(), stem, index)))
    assert made == {"idempotency_key": f"{stem}:{index}", **members}


@given(st.binary(max_size=3) | st.sampled_from([b"[]", b"7", b'{"idempotency_key":null}']))
def test_what_has_a_key_or_is_no_object_is_left_alone(raw: bytes) -> None:
    if raw.strip()[:1] != b"{" or b"idempotency_key" in raw:
        try:
            json.loads(raw)
        except ValueError:
            return
        assert with_key(raw, "s", 0) is raw


def test_one_stem_never_makes_the_key_of_another() -> None:
    keys = [f"{stem}:{index}" for stem in ("a", "a:1", "a:1:1", "1") for index in (1, 11)]
    # "a:1" at 1 is "a:1:1": only "a" at "1:1" could be it, and an index is a number.
    assert len(set(keys)) == len(keys)


HEADERS = [
    (b"a", "a"),
    (b"a b", "a b"),
    (b" a ", "a"),
    (b'"a"', "a"),
    (b'"a b"', "a b"),
    (b'a"', None),
    (b'" a"', None),
]


@pytest.mark.parametrize(("header", "stem"), HEADERS)
def test_a_header_is_a_token_in_quotes_or_without(header: bytes, stem: str | None) -> None:
    if stem is None:
        with pytest.raises(Problem):
            key_stem(header)
    else:
        assert key_stem(header) == stem


@pytest.mark.parametrize(("length", "taken"), [(0, False), (1, True), (MAX_HEADER, True), (MAX_HEADER + 1, False)])
def test_a_header_is_bounded(length: int, taken: bool) -> None:
    if taken:
        assert key_stem(b"x" * length) == "x" * length
    else:
        with pytest.raises(Problem) as caught:
            key_stem(b"x" * length)
        assert (caught.value.status, caught.value.code) == (400, "bad-idempotency-key")


PAIRS = st.tuples(st.text("a b:", min_size=1, max_size=4), st.text("a b:", min_size=1, max_size=4))


@given(PAIRS, PAIRS)
def test_two_cloud_events_share_a_key_only_when_they_share_source_and_id(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    keys = [cloud_key(*pair) for pair in (first, second)]
    if None not in keys:
        assert (keys[0] == keys[1]) == (first == second)


def cloud_key(source: str, name: str) -> str | None:
    sent = {"specversion": "1.0", "id": name, "source": source, "type": "m", "subject": "c", "time": "t"}
    (event,) = decode_cloud_event(json.dumps(sent).encode(), 1).events
    return event.idempotency_key if isinstance(event, Event) else None
