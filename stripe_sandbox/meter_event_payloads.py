"""What a meter reads out of an event's payload: whose usage it is, and how much."""

import re
from decimal import Decimal
from typing import Any

from stripe_sandbox.errors import invalid
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

# Narrower than Decimal(): no exponent, no underscore, no NaN, no digits of other scripts.
DECIMAL_TEXT = re.compile(r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$")


def customer_of(meter: Json | None, payload: dict[str, Any]) -> str | None:
    key = meter["customer_mapping"]["event_payload_key"] if meter else "stripe_customer_id"
    return payload.get(key)


def value_of(workspace: Workspace, meter: Json | None, payload: dict[str, Any]) -> tuple[Decimal | None, str]:
    """The event's value, or None with the code that Stripe's error reports use."""
    key = meter["value_settings"]["event_payload_key"] if meter else "value"
    if meter and meter["default_aggregation"]["formula"] == "count" and key not in payload:
        return Decimal(1), ""
    text = payload.get(key, "")
    if not DECIMAL_TEXT.match(text):
        return None, "meter_event_invalid_value"
    value = Decimal(text)
    if len(value.as_tuple().digits) > workspace.settings.value_max_digits:
        return None, "meter_event_value_too_many_digits"
    return value, ""


def check_value(workspace: Workspace, meter: Json | None, payload: dict[str, Any]) -> None:
    value, code = value_of(workspace, meter, payload)
    if value is None:
        key = meter["value_settings"]["event_payload_key"] if meter else "value"
        received = payload.get(key, "")
        if code == "meter_event_value_too_many_digits":
            limit = workspace.settings.value_max_digits
            message = f"The value in the event payload can have at most {limit} digits. Received {received}."
        else:
            message = f"The value in the event payload must be a decimal number. Received {received!r}."
        raise invalid(message, f"payload[{key}]")
