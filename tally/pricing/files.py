"""Prices, price books and bills from files: YAML or JSON, Stripe's price object or the declared form."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from tally.declared_values import Declared
from tally.plain_yaml import read_yaml
from tally.pricing.bill import Bill
from tally.pricing.declared_bill import DeclaredBill
from tally.pricing.declared_book import DeclaredPriceBook
from tally.pricing.declared_price import DeclaredPrice
from tally.pricing.errors import NoPriceInForce, PricingError
from tally.pricing.price import Price
from tally.pricing.price_book import PriceBook
from tally.pricing.stripe_price import price_from_stripe

_Form = TypeVar("_Form", bound=Declared)


class FileInvalid(PricingError):
    """A file that cannot be read, or whose fields are not those of a price or bill; the message names each."""


def load_price(path: Path, at: datetime | None = None) -> Price:
    """The price in a file: Stripe's price object (it has `billing_scheme`), a declared price, or a price book.

    Raises:
        FileInvalid: it cannot be read, or has fields that it should not or lacks some.
        NoPriceInForce: a price book has none at the moment `at` (UTC-aware), or no moment was given.
        PricingError: another subclass, when a price leaves some quantity without one price.
    """
    document = _document(path)
    if isinstance(document, Mapping) and "versions" in document:
        book = _checked(DeclaredPriceBook, document, path).book()
        if at is None:
            raise NoPriceInForce("at", f"is missing; {path} is a price book, so say of which moment")
        return book.at(at)
    if isinstance(document, Mapping) and "billing_scheme" in document:
        return price_from_stripe(document)
    return _checked(DeclaredPrice, document, path).price()


def load_price_book(path: Path) -> PriceBook:
    """The price book in a file. Raises as `load_price`, and as `PriceBook`."""
    return _checked(DeclaredPriceBook, _document(path), path).book()


def load_bill(path: Path) -> Bill:
    """The bill that a declared file makes. Raises as `load_price`, and as `make_bill`."""
    return _checked(DeclaredBill, _document(path), path).bill()


def _checked(form: type[_Form], document: Any, path: Path) -> _Form:
    try:
        return form.model_validate(document)
    except ValidationError as error:
        faults = [f"  {'.'.join(map(str, fault['loc'])) or '(top)'}: {fault['msg']}" for fault in error.errors()]
        raise FileInvalid(str(path), "\n".join(["is not as it should be", *faults])) from None


def _document(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileInvalid(str(path), str(error.strerror)) from None
    except UnicodeDecodeError:
        raise FileInvalid(str(path), "is not UTF-8 text") from None
    try:
        # JSON numbers keep the digits that the file has; YAML's are floats, which the forms refuse.
        return json.loads(text, parse_float=Decimal) if path.suffix == ".json" else read_yaml(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise FileInvalid(str(path), f"is not {'JSON' if path.suffix == '.json' else 'YAML'}: {error}") from None
