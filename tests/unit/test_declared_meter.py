"""What a meter may say: each aggregation with the keys that belong to it, and nothing that would lose a digit."""

from decimal import Decimal
from pathlib import Path

import pytest

from tally.configuration import load_configuration
from tally.configuration.meter import Meter
from tally.errors import ConfigurationError

TENANT = "tenants: [{id: acme, name: Acme, meters: [{metric: other, aggregation: count}, {metric: m, %s}]}]"


def meter(tmp_path: Path, keys: str) -> Meter:
    file = tmp_path / "tally.yaml"
    file.write_text(TENANT % keys)
    return load_configuration(file).tenants[0].meters[1]


def test_each_aggregation_takes_its_keys(tmp_path: Path) -> None:
    for aggregation in ("count", "sum", "min", "max", "last", "average"):
        assert meter(tmp_path, f"aggregation: {aggregation}").aggregation == aggregation
    assert meter(tmp_path, "aggregation: unique, property: gate").property == "gate"
    assert meter(tmp_path, "aggregation: time_weighted_sum, time_unit: hour").time_unit == "hour"
    assert meter(tmp_path, 'aggregation: percentile, percentile: "0.95"').percentile == Decimal("0.95")
    assert meter(tmp_path, "aggregation: percentile, percentile: 1").percentile == 1


def test_a_filter_is_sets_of_text_as_json_writes_it(tmp_path: Path) -> None:
    keys = 'aggregation: sum, filter: {land: [no, CH], status: [200, "1.5"], live: [true], "é": ["010", 011, 1:30]}'
    assert meter(tmp_path, keys).filter == {
        "land": ["CH", "no"], "status": ["1.5", "200"], "live": ["true"], "é": ["010", "011", "1:30"],
    }  # fmt: skip


def test_a_divisor_stays_exact(tmp_path: Path) -> None:
    assert meter(tmp_path, "aggregation: sum").divide_by == 1
    assert meter(tmp_path, 'aggregation: sum, divide_by: "1000000000"').divide_by == 10**9
    assert meter(tmp_path, "aggregation: sum, divide_by: 999999999999999").divide_by == 999999999999999


@pytest.mark.parametrize(
    ("keys", "place", "message"),
    [
        ("aggregation: unique", "property", "unique needs it"),
        ("aggregation: count, property: bytes", "property", "count measures nothing"),
        ("aggregation: percentile", "percentile", 'needs it, such as `percentile: "0.95"`'),
        ("aggregation: percentile, percentile: 0.95", "percentile", "in quotes"),
        ("aggregation: percentile, percentile: true", "percentile", "is not a number"),
        ('aggregation: percentile, percentile: "0"', "percentile", "greater than 0"),
        ('aggregation: percentile, percentile: "95"', "percentile", "less than or equal to 1"),
        ('aggregation: percentile, percentile: "NaN"', "percentile", "finite number"),
        ('aggregation: sum, percentile: "0.95"', "percentile", "belongs to aggregation percentile, not to sum"),
        ("aggregation: time_weighted_sum", "time_unit", "needs it, such as `time_unit: hour`"),
        ("aggregation: time_weighted_sum, time_unit: month", "time_unit", "'second', 'minute', 'hour' or 'day'"),
        ("aggregation: last, time_unit: hour", "time_unit", "belongs to aggregation time_weighted_sum, not to last"),
        ("aggregation: sum, divide_by: 1.5", "divide_by", "in quotes"),
        ('aggregation: sum, divide_by: "0"', "divide_by", "greater than 0"),
        ('aggregation: sum, divide_by: "-1"', "divide_by", "greater than 0"),
        ('aggregation: sum, divide_by: "1234567890.123456"', "divide_by", "no more than 15 digits"),
        ('aggregation: sum, divide_by: "1e15"', "divide_by", "no more than 15 digits"),
        ('aggregation: sum, divide_by: "Infinity"', "divide_by", "finite number"),
        ("aggregation: sum, filter: {region: eu}", "filter.region", "valid list"),
        ("aggregation: sum, filter: {region: []}", "filter.region", "at least 1 item"),
        ("aggregation: sum, filter: {region: [eu, eu]}", "filter.region", "declared twice: eu"),
        ('aggregation: sum, filter: {code: [1, "1"]}', "filter.code", "declared twice: 1"),
        ("aggregation: sum, filter: {ratio: [1.5]}", "filter.ratio.0", "in quotes"),
        ("aggregation: sum, filter: {region: [null]}", "filter.region.0", "give text, a number or true or false"),
        ("aggregation: sum, filter: {region: [[eu]]}", "filter.region.0", "give text, a number or true or false"),
        ('aggregation: sum, filter: {region: ["a\\0"]}', "filter.region.0", "match pattern"),
        (f"aggregation: sum, filter: {{region: [{'é' * 65}]}}", "filter.region.0", "longer than 128 bytes"),
        ('aggregation: sum, filter: {"": [eu]}', "filter.", "at least 1 character"),
        ("aggregation: sum, filter: {200: [eu]}", "filter.200", "valid string"),
        ("aggregation: sum, dimensions: [a, b, c, d, e, f]", "dimensions", "at most 5 items"),
        ("aggregation: sum, dimensions: [a, b, a]", "dimensions", "declared twice: a"),
        (f"aggregation: sum, dimensions: [{'é' * 51}]", "dimensions.0", "longer than 100 bytes"),
        ("aggregation: sum, dimensions: region", "dimensions", "valid list"),
        (f"aggregation: sum, property: {'a' * 256}", "property", "at most 255 characters"),
    ],
)
def test_a_fault_of_a_meter_is_named_by_its_key(tmp_path: Path, keys: str, place: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        meter(tmp_path, keys)
    (line,) = str(refused.value).splitlines()[1:]
    assert line.startswith(f"  tenants.0.meters.1.{place}")
    assert message in line


def test_a_wrong_aggregation_is_the_only_fault_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        meter(tmp_path, 'aggregation: p95, percentile: "0.95", time_unit: hour')
    assert [line.split(":")[0] for line in str(refused.value).splitlines()[1:]] == ["  tenants.0.meters.1.aggregation"]
