"""What becomes of a period's end: when drafts are held, and how what a final invoice missed is billed or given back."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from tally.declared_values import Declared, ExactDecimal

LateUsage = Literal["invoice_item", "write_off"]
OverbilledUsage = Literal["credit_note", "credit_grant"]


class MeterClosing(Declared):
    """A meter's own way, before the tenant's."""

    late_usage: LateUsage | None = None
    overbilled_usage: OverbilledUsage | None = None


class TenantClosing(Declared):
    """`approval: policy` bills and credits without a person, but never writes off; `hold_share` is of the grace."""

    late_usage: LateUsage = "invoice_item"
    overbilled_usage: OverbilledUsage = "credit_note"
    approval: Literal["person", "policy"] = "person"
    hold_share: ExactDecimal = Field(Decimal("0.25"), ge=0, le=1)
