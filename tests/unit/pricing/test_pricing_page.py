"""Every example of docs/pricing.md does what the page says."""

import doctest
import re
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from tally.pricing import PricingError, load_bill, load_price, price_line

PAGE = Path(__file__).parents[3] / "docs" / "pricing.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.+?)```\n\n((?:\|[^\n]+\n)+)", TEXT, re.DOTALL)
REFUSALS = re.findall(r"^\| `(\{.+\})` \| (\w+) \| (\S+) \|$", TEXT, re.MULTILINE)


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == TEXT.count("```yaml") >= 10
    assert len(REFUSALS) >= 10


@pytest.mark.parametrize(("document", "table"), EXAMPLES)
def test_an_example(document: str, table: str, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(document)
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    assert rows
    if "lines" in yaml.safe_load(document):
        bill = load_bill(file).as_json()
        assert {field: bill[field] for field, _ in rows} == dict(rows)
        return
    if "versions" in yaml.safe_load(document):
        amounts = [str(price_line(load_price(file, datetime.fromisoformat(at)), used).amount) for at, used, _ in rows]
        assert amounts == [amount for *_, amount in rows]
        return
    price = load_price(file)
    assert [str(price_line(price, quantity).amount) for quantity, *_ in rows] == [row[1] for row in rows]


@pytest.mark.parametrize(("document", "name", "field"), REFUSALS)
def test_a_refusal(document: str, name: str, field: str, tmp_path: Path) -> None:
    file = tmp_path / "price.yaml"
    file.write_text(document)
    with pytest.raises(PricingError) as caught:
        load_price(file)
    assert (type(caught.value).__name__, caught.value.field) == (name, field)


def test_the_python_examples() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.attempted >= 10
    assert result.failed == 0
