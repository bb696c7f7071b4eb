"""A declared meter: how a metric's events become one number per customer and billing period."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from pydantic import Field, ValidationInfo, field_serializer, field_validator

from tally.configuration.closing import MeterClosing
from tally.configuration.usage_checks import UsageCheckLimits
from tally.declared_values import Declared, Dimensions, Duration, ExactDecimal, PropertyName, PropertyValues, Text
from tally.pricing.declared_price import DeclaredPrice
from tally.pricing.errors import PricingError

# What a counted event was counted by: none of it changes once the metric has events.
COUNTING_DEFINITION: Final = (
    "aggregation", "property", "percentile", "time_unit", "divide_by", "filter", "dimensions", "lateness_window",
)  # fmt: skip
# The keys that one aggregation needs and no other takes, each with what to write.
_ONLY_OF = {
    "percentile": ("percentile", 'percentile: "0.95"'),
    "time_unit": ("time_weighted_sum", "time_unit: hour"),
}


class ShadowMapping(Declared):
    """Where the same counters go in parallel: a meter of STRIPE_SHADOW_API_KEY's account, or of one connected to it."""

    event_name: Text = Field(min_length=1, max_length=100)
    account: str = Field("shadow", pattern=r"^shadow(:acct_\w+)?$")


class StripeMapping(Declared):
    """Where a metric's counters go: the Stripe meter with this event name, in this account.

    `price` is what invoices are held against; None: the price that Stripe's subscription items have.
    """

    event_name: Text = Field(min_length=1, max_length=100)
    account: str = Field("self", pattern=r"^(self|acct_\w+)$")
    price: DeclaredPrice | None = None
    shadow: ShadowMapping | None = None

    @field_validator("price")
    @classmethod
    def _price_is_whole(cls, value: DeclaredPrice | None) -> DeclaredPrice | None:
        try:
            return value if value is None or value.price() else None
        except PricingError as error:
            raise ValueError(str(error)) from None

    @field_serializer("price")
    def _as_kept(self, value: DeclaredPrice | None) -> dict[str, Any] | None:
        """As JSON keeps it: exact numbers are text."""
        return None if value is None else value.model_dump(mode="json", exclude_defaults=True)


class Meter(Declared):
    """How a metric is counted. `percentile` is a share of 1; `divide_by` has at most 15 digits.

    `epsilon` goes before the tenant's.
    """

    metric: str = Field(pattern=r"^[a-z][a-z0-9_.]{0,99}$")
    aggregation: Literal[
        "count", "sum", "min", "max", "last", "unique", "average", "percentile", "time_weighted_sum"
    ]  # fmt: skip
    property: PropertyName | None = Field(None, validate_default=True)
    percentile: ExactDecimal | None = Field(None, gt=0, le=1, max_digits=15, validate_default=True)
    time_unit: Literal["second", "minute", "hour", "day"] | None = Field(None, validate_default=True)
    divide_by: ExactDecimal = Field(Decimal(1), gt=0, max_digits=15)
    filter: dict[PropertyName, PropertyValues] = Field(default_factory=dict)
    dimensions: Dimensions = Field(default_factory=list)
    unit: Text = "unit"
    description: Text = ""
    lateness_window: Duration = timedelta(hours=48)
    epsilon: ExactDecimal | None = Field(None, ge=0, lt=1)
    stripe: StripeMapping | None = None
    closing: MeterClosing = MeterClosing()
    usage_checks: UsageCheckLimits = UsageCheckLimits()

    @field_validator("property")
    @classmethod
    def _property_is_measured(cls, value: str | None, info: ValidationInfo) -> str | None:
        aggregation = info.data.get("aggregation")
        if value is None and aggregation == "unique":
            raise ValueError("aggregation unique needs it: the property whose different values are counted")
        if value is not None and aggregation == "count":
            raise ValueError("aggregation count measures nothing: leave it out, or count what `filter` names")
        return value

    @field_validator(*_ONLY_OF)
    @classmethod
    def _belongs_to_its_aggregation(cls, value: Any, info: ValidationInfo) -> Any:
        owner, example = _ONLY_OF[str(info.field_name)]
        aggregation = info.data.get("aggregation")
        if value is None and aggregation == owner:
            raise ValueError(f"aggregation {owner} needs it, such as `{example}`")
        if value is not None and aggregation not in (owner, None):
            raise ValueError(f"belongs to aggregation {owner}, not to {aggregation}: leave it out")
        return value
