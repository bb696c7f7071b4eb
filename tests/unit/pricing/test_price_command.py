"""`tally price`, as people run it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tally.cli.app import app
from tally.errors import TallyError
from tally.pricing import load_price_book

GRADUATED = """
model: graduated
currency: usd
tiers:
  - {up_to: 10000, unit_price: "0.01"}
  - {up_to: 60000, unit_price: "0.008"}
  - {up_to: inf, unit_price: "0.005"}
"""
STRIPES = {
    "id": "price_9",
    "billing_scheme": "per_unit",
    "currency": "jpy",
    "unit_amount_decimal": "0.5",
    "recurring": {"usage_type": "metered"},
}


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    return write(tmp_path / "price.yaml", GRADUATED)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["price", *map(str, arguments)])


def refusal(*arguments: Any) -> str:
    result = run(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, TallyError)
    return str(result.exception)


def test_the_tiers_of_a_line_as_a_table(yaml_file: Path) -> None:
    result = run("--price", yaml_file, "--quantity", "25000.5")
    assert result.exit_code == 0
    assert "220.00 usd, rounded once for the line, half up" in result.output
    assert "120.004" in result.output
    assert "15,000.5" in result.output


def test_the_whole_explanation_as_json(yaml_file: Path) -> None:
    line = json.loads(run("--price", yaml_file, "--quantity", "25000", "--json").output)
    assert (line["amount"], line["amount_minor"], line["currency"]) == ("220.00", 22000, "usd")
    assert [tier["quantity"] for tier in line["tiers"]] == ["10000", "15000"]


def test_stripes_price_object_and_exact_json_numbers(tmp_path: Path) -> None:
    stripes = write(tmp_path / "stripe.json", json.dumps(STRIPES))
    assert json.loads(run("--price", stripes, "--quantity", "101", "--json").output)["amount"] == "51"
    declared = write(
        tmp_path / "declared.json", '{"model": "per_unit", "currency": "usd", "unit_price": 0.000000000001}'
    )
    line = json.loads(run("--price", declared, "--quantity", "3", "--json").output)
    assert line["unrounded_minor"] == "0.0000000003"


def test_a_bill(tmp_path: Path) -> None:
    lines = "lines: [{price: {model: flat, currency: kwd, flat_fee: '1.234'}, quantity: 1}]"
    file = write(tmp_path / "bill.yaml", f"period_end: 2026-01-31T00:00:00Z\n{lines}")
    assert "chargeable          1.230" in run("--bill", file).output
    document = json.loads(run("--bill", file, "--json").output)
    assert (document["total"], document["chargeable"]) == ("1.234", "1.230")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{model: per_unit, currency: usd, unit_price: 0.01}', "unit_price: Value error, write the number in quotes"),
        ('{model: per_unit, currency: usd, unit_prise: "1"}', "unit_prise: Extra inputs are not permitted"),
        ("{model: per_unit", "is not YAML"),
        ("model: flat\nmodel: per_unit", "key 'model' stands twice"),
        ('{model: volume, currency: usd, tiers: [{up_to: .inf, unit_price: "1e-99"}]}', "more than 12 decimals"),
        ("just words", "is not as it should be"),
        ('{model: per_unit, currency: usd, unit_price: "1", flat_fee: "2"}', "flat_fee: does not belong to a per_unit"),
        ('{model: flat, currency: usd, flat_fee: "0.0000000000000000001"}', "flat_fee: .+ more than 12 decimals"),
        ('{model: volume, currency: usd, flat_fee: "1"}', "flat_fee: does not belong to a volume price; its tiers"),
        ('{model: graduatet, currency: usd}', "model: 'graduatet' is none of per_unit, package, graduated"),
        ('{model: flat, currency: usd, flat_fee: "NaN"}', "flat_fee: "),
    ],
)  # fmt: skip
def test_files_that_are_no_price(text: str, message: str, tmp_path: Path) -> None:
    file = write(tmp_path / "price.yaml", text)
    with pytest.raises(TallyError, match=message):
        raise TallyError(refusal("--price", file, "--quantity", "1"))


BOOK = """
versions:
  - effective_at: 2026-02-01T00:00:00Z
    price: {model: per_unit, currency: usd, unit_price: "0.02"}
  - effective_at: 2026-01-01T00:00:00Z
    price: {billing_scheme: per_unit, currency: usd, unit_amount_decimal: "1"}
"""


def test_the_price_of_a_moment(tmp_path: Path) -> None:
    book = write(tmp_path / "book.yaml", BOOK)
    for moment, amount in (("2026-01-31", "1.00"), ("2026-02-01", "2.00"), ("2026-02-01T00:00:01", "2.00")):
        line = json.loads(run("--price", book, "--quantity", 100, "--at", moment, "--json").output)
        assert line["amount"] == amount
    assert "no price at 2025-12-31" in refusal("--price", book, "--quantity", 1, "--at", "2025-12-31")
    assert "say of which moment" in refusal("--price", book, "--quantity", 1)
    assert load_price_book(book).at(datetime(2026, 3, 1, tzinfo=UTC)).unit_amount == 2
    wrong = write(tmp_path / "wrong.yaml", BOOK.replace("usd, unit_amount", "xxx, unit_amount"))
    assert refusal("--price", wrong, "--quantity", 1).startswith("versions.1.currency: 'xxx' is not a currency")


FLAT = "lines: [{price: {model: flat, currency: usd, flat_fee: 1}, quantity: 1}]"
OPEN_TIER = 'tiers: [{up_to: 1, unit_price: "1"}]'
OVER_APPLIED = (
    "{id: a, currency: usd, amount: 10, applied: 14, starts_at: 2026-01-01T00:00Z, ends_at: 2027-01-01T00:00Z}"
)
BACKWARDS = "{id: a, currency: usd, amount: 10, starts_at: 2026-01-01T00:00Z, ends_at: 2025-01-01T00:00Z}"
SUB_CENT = '{id: a, currency: usd, amount: "0.001", effective_at: 2026-01-01T00:00Z}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (f"lines: [{{price: {{model: volume, currency: usd, {OPEN_TIER}}}, quantity: 1}}]", "lines.0.tiers.0.up_to: "),
        ("lines: [{price: {currency: usd}, quantity: 1}]", "lines.0.price.declared.model: Field required"),
        ("lines: [{price: {billing_scheme: odd, currency: usd}, quantity: 1}]", "lines.0.billing_scheme: "),
        ("lines: []", "lines: "),
        (f"{FLAT}\ncommitments: [{OVER_APPLIED}]", "a.applied: 1400 minor units of 1000 are used"),
        (f"{FLAT}\ncommitments: [{BACKWARDS}]", "a period must end after it starts"),
        (f"{FLAT}\ncredit_grants: [{SUB_CENT}]", "a.amount: 0.001 has more decimals than usd"),
        (f"{FLAT}\ndiscount: 5", "discount: Extra inputs are not permitted"),
    ],
)
def test_bills_that_are_none(body: str, message: str, tmp_path: Path) -> None:
    file = write(tmp_path / "bill.yaml", f"period_end: 2026-01-31T00:00:00Z\n{body}")
    assert message in refusal("--bill", file)


def test_what_the_command_line_must_say(yaml_file: Path, tmp_path: Path) -> None:
    for arguments in (
        [],
        ["--price", yaml_file],
        ["--quantity", 1],
        ["--bill", yaml_file, "--price", yaml_file, "--quantity", 1],
    ):
        assert run(*arguments).exit_code == 2
    assert "No such file" in refusal("--price", tmp_path / "none.yaml", "--quantity", 1)
    assert refusal("--price", yaml_file, "--quantity", "many") == "quantity: 'many' is not a number"
