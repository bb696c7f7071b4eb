"""What the ledger reads out of an event's properties, whatever they hold: no value may stop it or make two the same."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from cloned_database import Clone
from psycopg.types.json import Jsonb

from tally.database import connect

Asked = Callable[..., Any]
NO_OBJECT = [None, "", "null", "[]", "3", '"a"', "{", '{"a": 1,}', '{"a": NaN}', '{"b": "\\u0000", "a": 1}',
             '{"a": "\\ud800"}', '{"a": 1e200000}', '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"]  # fmt: skip


@pytest.fixture(scope="module")
def connection(clone: Clone, template_database: str) -> Iterator[psycopg.Connection]:
    """One database for all: what is asked for changes nothing."""
    url = clone(template_database, "meter_functions")
    with connect(url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def asked(connection: psycopg.Connection) -> Asked:
    """Calls the named function of the schema `tally`."""

    def ask(function: str, *arguments: Any) -> Any:
        placeholders = ", ".join(["%s"] * len(arguments))
        row = connection.execute(f"select tally.{function}({placeholders})", arguments).fetchone()
        assert row is not None
        return row[0]

    return ask


@pytest.mark.parametrize("properties", NO_OBJECT)
def test_what_is_no_object_has_no_properties(asked: Asked, properties: str | None) -> None:
    assert asked("property_text", properties, "a") is None
    assert asked("property_number", properties, "a") is None
    assert asked("matches_filter", properties, Jsonb({"a": ["1"]})) is False
    assert asked("matches_filter", properties, Jsonb({})) is True
    assert asked("event_dimensions", properties, ["a"]) == {"a": ""}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"eu"', "eu"), ('""', ""), ('"\\u0061\\n"', "a\n"), ('" 1"', " 1"), ("true", "true"), ("false", "false"),
        ("1", "1"), ("1.0", "1"), ("1.50", "1.5"), ("-0", "0"), ("1e2", "100"), ("100E-2", "1"), ("1e-7", "0.0000001"),
        ('"1.0"', "1.0"), ("null", None), ("[1]", None), ('{"a": 1}', None), ('"😀"', "😀"),
    ],
)  # fmt: skip
def test_a_scalar_is_its_text_and_one_number_has_one_spelling(asked: Asked, value: str, text: str | None) -> None:
    assert asked("property_text", f'{{"other": 9, "a": {value}}}', "a") == text


@pytest.mark.parametrize(
    "name", ["é", "e\u0301", "地域", "a.b", "a'b", 'a"b', "$.a", "{a}", " a ", "A", "0", "-1", "😀" * 50]
)
def test_a_property_is_found_by_its_exact_name(asked: Asked, name: str) -> None:
    spelled = name.replace('"', '\\"')
    properties = f'{{"a": "wrong", "é ": "wrong", "{spelled}": "right"}}'
    assert asked("property_text", properties, name) == "right"
    assert asked("event_dimensions", properties, [name, "a"]) == {name: "right", "a": "wrong"}
    assert asked("matches_filter", properties, Jsonb({name: ["left", "right"]})) is True


def test_the_last_of_two_equal_names_is_the_property(asked: Asked) -> None:
    assert asked("property_text", '{"a": 1, "\\u0061": 2}', "a") == "2"


def test_a_nested_name_is_no_property(asked: Asked) -> None:
    assert asked("property_text", '{"b": {"a": 1}, "c": ["a"]}', "a") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"' + "x" * 128 + '"', "x" * 128),
        ('"' + "x" * 129 + '"', "x" * 129),
        ('"' + "é" * 64 + '"', "é" * 64),
        ('"' + "é" * 65 + '"', "é" * 65),
        ("1e131", "1" + "0" * 131),
        ('"' + "back\\\\slash" * 20 + '"', "back\\slash" * 20),
    ],
)
def test_a_long_value_stands_as_its_digest(asked: Asked, value: str, text: str) -> None:
    shown = text if len(text.encode()) <= 128 else f"sha256:{sha256(text.encode()).hexdigest()}"
    assert asked("property_text", f'{{"a": {value}}}', "a") == shown
    assert asked("event_dimensions", f'{{"a": {value}}}', ["a"]) == {"a": shown}


def test_the_longest_values_fit_an_index_row(connection: psycopg.Connection) -> None:
    names = [str(number) + "é" * 49 for number in range(5)]
    # Digits of a hash: text that does not compress.
    long = "".join(sha256(str(number).encode()).hexdigest() for number in range(2))
    properties = "{" + ", ".join(f'"{name}": "{long}"' for name in names) + "}"
    key = ["text", "text", "text", "timestamptz", "timestamptz", "jsonb"]
    columns = [f"k{number} {kind}" for number, kind in enumerate(key)]
    primary = ", ".join(f"k{number}" for number in range(6))
    connection.execute(f"create table hourly ({', '.join(columns)}, primary key ({primary}))")
    connection.execute(
        "insert into hourly select %s, (select string_agg(chr(65536 + i * 7919 %% 50000), '') "
        "from generate_series(1, 255) as i), %s, now(), now(), tally.event_dimensions(%s, %s)",
        ("t" * 63, "m" * 100, properties, names),
    )
    assert connection.execute("select count(*) from hourly").fetchone() == (1,)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.5", "12.5"), ('"12.5"', "12.5"), ("-3", "-3"), ("0", "0"), ("1e2", "100"), ("1.5E-3", "0.0015"),
        ("1e14", "100000000000000"), ("999999999999999", "999999999999999"), ("1e15", None), ("1e900", None),
        ("0.000000000001", "0.000000000001"), ("1e-13", None), ("0.1234567890123", None),
        ("1.0000000000000000", "1"), ('"1e2"', None), ('"1."', None), ('".5"', None), ('"+1"', None), ('" 1"', None),
        ('"1\\n"', None), ('"1_000"', None), ('"0x10"', None), ('"NaN"', None), ('"Infinity"', None), ('"١"', None),
        ('""', None), ("true", None), ("null", None), ("[1]", None), ('{"n": 1}', None),
        ('"' + "9" * 300 + '"', None),
    ],
)  # fmt: skip
def test_a_number_is_taken_exactly_or_not_at_all(asked: Asked, value: str, number: str | None) -> None:
    found = asked("property_number", f'{{"a": {value}}}', "a")
    assert (found if found is None else format(found, "f")) == number
    assert found is None or isinstance(found, Decimal)


@pytest.mark.parametrize(
    ("properties", "matches"),
    [
        ('{"region": "eu", "live": true, "status": 200}', True),
        ('{"region": "us", "live": true, "status": 200.0}', True),
        ('{"region": "us", "live": "true", "status": "200"}', True),
        ('{"region": "asia", "live": true, "status": 200}', False),
        ('{"region": "eu", "live": false, "status": 200}', False),
        ('{"region": "eu", "live": true}', False),
        ('{"region": "EU", "live": true, "status": 200}', False),
        ('{"region": ["eu"], "live": true, "status": 200}', False),
        ('{"region": {"eu": 1}, "live": true, "status": 200}', False),
        ('{"region": null, "live": true, "status": 200}', False),
        ("{}", False),
        (None, False),
    ],
)
def test_a_filter_asks_for_one_of_the_values_of_each_property(
    asked: Asked, properties: str | None, matches: bool
) -> None:
    wanted = Jsonb({"region": ["eu", "us"], "live": ["true"], "status": ["200"]})
    assert asked("matches_filter", properties, wanted) is matches


def test_without_a_filter_everything_matches(asked: Asked) -> None:
    assert [asked("matches_filter", '{"a": 1}', nothing) for nothing in (Jsonb({}), None)] == [True, True]


def test_dimensions_are_text_and_an_absent_one_is_empty(asked: Asked) -> None:
    properties = '{"region": "eu", "cores": 8.0, "spot": false, "tags": ["a"]}'
    assert asked("event_dimensions", properties, ["cores", "region", "spot", "tags", "zone"]) == {
        "cores": "8", "region": "eu", "spot": "false", "tags": "", "zone": "",
    }  # fmt: skip
    assert asked("event_dimensions", properties, []) is None
    assert asked("event_dimensions", properties, None) is None


def test_one_plan_may_ask_of_good_and_bad_rows_together(connection: psycopg.Connection) -> None:
    rows = ['{"a": 1}', *NO_OBJECT, '{"a": "2"}']
    found = connection.execute(
        "select sum(tally.property_number(p, 'a')), count(*) filter (where tally.matches_filter(p, %s)) "
        "from unnest(%s::text[]) as p",
        (Jsonb({"a": ["2"]}), rows),
    ).fetchone()
    assert found == (3, 1)
