"""A declared rule about customers' usage: from when on a tenant wants to be told."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tally.declared_values import Declared, ExactDecimal, Text, require_unique
from tally.pricing.currency import currency_of
from tally.pricing.errors import UnknownCurrency

# What each kind takes beside its metric and customer; the defaults are what is left out.
_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "threshold": {"quantity": None},
    "spike": {"factor": None, "minimum": Decimal(0), "days": 7},
    "budget": {"quantity": None, "amount": None, "currency": None, "steps": [50, 80, 100]},
}
_EXAMPLES = {
    "threshold": 'quantity: "1000000"',
    "spike": 'factor: "3"',
    "budget": "quantity, or amount and currency, such as `amount: \"250.00\", currency: usd`",
}  # fmt: skip


def _as_steps(values: list[int]) -> list[int]:
    require_unique("a step", values)
    return sorted(values)


Steps = Annotated[
    list[Annotated[int, Field(gt=0, le=1000)]], Field(min_length=1, max_length=10), AfterValidator(_as_steps)
]


class UsageAlert(Declared):
    """threshold: a period's counter over `quantity`. spike: a day over `factor` times the mean of the `days` before and
    at least `minimum`. budget: `steps` per cent of `quantity`, or of `amount` in major units of `currency`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    kind: Literal["threshold", "spike", "budget"]
    metric: str
    customer: Text | None = Field(None, min_length=1, max_length=255)
    quantity: ExactDecimal | None = Field(None, gt=0)
    amount: ExactDecimal | None = Field(None, gt=0)
    currency: str | None = None
    steps: Steps | None = None
    factor: ExactDecimal | None = Field(None, gt=1)
    minimum: ExactDecimal | None = Field(None, ge=0)
    days: int | None = Field(None, ge=1, le=90)
    active: bool = True

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        takes = _FIELDS[self.kind]
        others = {field for fields in _FIELDS.values() for field in fields} - takes.keys()
        if strange := sorted(field for field in others if getattr(self, field) is not None):
            raise ValueError(f"{', '.join(strange)}: kind {self.kind} does not take it")
        is_money = self.amount is not None and self.currency is not None
        has = {
            "threshold": self.quantity is not None,
            "spike": self.factor is not None,
            "budget": (self.quantity is not None) != is_money and (self.amount is None) == (self.currency is None),
        }
        if not has[self.kind]:
            raise ValueError(f"kind {self.kind} needs {_EXAMPLES[self.kind]}")
        if self.currency is not None:
            try:
                currency_of(self.currency)
            except UnknownCurrency as error:
                raise ValueError(str(error)) from None
        return self

    def row(self) -> dict[str, Any]:
        """As tally.usage_alert_rules keeps it, without its name."""
        row = self.model_dump(exclude={"name", "customer"}) | {"customer_ref": self.customer}
        row["currency"] = self.currency.lower() if self.currency else None
        return row | {
            field: row[field] if row[field] is not None else each for field, each in _FIELDS[self.kind].items()
        }
