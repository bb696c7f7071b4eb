"""Prices: per unit or tiered, metered through a meter or licensed. What they charge is in pricing.py."""

from decimal import Decimal, InvalidOperation
from typing import Any

from stripe_sandbox import events, products
from stripe_sandbox.errors import invalid, missing_parameter
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import PAGING, page_of
from stripe_sandbox.metadata import merged
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

KIND = "price"
MAX_DECIMALS = 12


def create(workspace: Workspace, parameters: Json) -> Json:
    now = workspace.now()
    recurring = _recurring(workspace, parameters.get("recurring"))
    amounts = _tiered(parameters) if parameters.get("billing_scheme") == "tiered" else _per_unit(parameters)
    price: Json = {
        "id": new_id("price"),
        "object": KIND,
        "active": parameters.get("active", True),
        "created": now,
        "currency": parameters["currency"].lower(),
        "custom_unit_amount": None,
        "livemode": workspace.livemode,
        "lookup_key": parameters.get("lookup_key"),
        "metadata": merged({}, parameters.get("metadata", {})),
        "nickname": parameters.get("nickname"),
        "product": _product(workspace, parameters),
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "transform_quantity": _transform(parameters, amounts),
        "type": "recurring" if recurring else "one_time",
        **amounts,
    }
    workspace.save(price)
    events.emit(workspace, "price.created", price, at=now)
    return price


def _product(workspace: Workspace, parameters: Json) -> str:
    if "product_data" in parameters:
        return str(products.create(workspace, parameters["product_data"])["id"])
    if "product" not in parameters:
        raise missing_parameter("product")
    return str(workspace.get(products.KIND, parameters["product"], "product")["id"])


def _recurring(workspace: Workspace, recurring: Any) -> Json | None:
    if recurring is None:
        return None
    usage_type, meter = recurring.get("usage_type", "licensed"), recurring.get("meter")
    if usage_type == "metered":
        if meter is None:
            raise invalid("A metered price must name its meter.", "recurring[meter]")
        workspace.get("billing.meter", meter, "recurring[meter]")
    elif meter is not None:
        raise invalid("Only a metered price can have a meter.", "recurring[meter]")
    count = recurring.get("interval_count", 1)
    if count < 1:
        raise invalid("The interval count must be at least 1.", "recurring[interval_count]")
    return {
        "interval": recurring["interval"],
        "interval_count": count,
        "meter": meter,
        "trial_period_days": None,
        "usage_type": usage_type,
    }


def _per_unit(parameters: Json) -> Json:
    if parameters.get("tiers"):
        raise invalid("Tiers need billing_scheme=tiered.", "tiers")
    return {
        "billing_scheme": "per_unit",
        "_tiers": None,
        "tiers_mode": None,
        **_amount(parameters, "unit_amount", "", required=True),
    }


def _tiered(parameters: Json) -> Json:
    if "tiers_mode" not in parameters:
        raise missing_parameter("tiers_mode")
    tiers = []
    last: Decimal | None = Decimal(0)
    for index, tier in enumerate(parameters.get("tiers") or []):
        where = f"tiers[{index}]"
        up_to = None if tier["up_to"] == "inf" else tier["up_to"]
        if last is None or (up_to is not None and up_to <= last):
            raise invalid("Tiers must rise, and only the last one may go to inf.", f"{where}[up_to]")
        last = None if up_to is None else Decimal(up_to)
        tiers.append({"up_to": up_to, **_amount(tier, "unit_amount", where), **_amount(tier, "flat_amount", where)})
    if not tiers or last is not None:
        raise invalid("The last tier must have up_to=inf.", "tiers")
    return {
        "billing_scheme": "tiered",
        "_tiers": tiers,  # Stripe leaves them out of every answer that does not expand them
        "tiers_mode": parameters["tiers_mode"],
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def _amount(source: Json, name: str, where: str, required: bool = False) -> Json:
    """An amount in minor units both as integer (null when it has a fraction) and as exact decimal text."""
    param = f"{where}[{name}]" if where else name
    text = source.get(f"{name}_decimal")
    if text is None:
        if source.get(name) is None:
            if required:
                raise missing_parameter(param)
            return {name: None, f"{name}_decimal": None}
        text = str(source[name])
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise invalid(f"Invalid decimal: {text}", f"{param}_decimal") from None
    if not amount.is_finite() or amount < 0 or -int(amount.as_tuple().exponent) > MAX_DECIMALS:
        raise invalid(f"Invalid decimal: {text}; at most {MAX_DECIMALS} decimals, not negative.", f"{param}_decimal")
    whole = int(amount) if amount == amount.to_integral_value() else None
    return {name: whole, f"{name}_decimal": format(amount, "f")}


def _transform(parameters: Json, amounts: Json) -> Json | None:
    transform: Json | None = parameters.get("transform_quantity")
    if transform is None:
        return None
    if amounts["billing_scheme"] == "tiered":
        raise invalid("transform_quantity cannot be combined with tiers.", "transform_quantity")
    if transform["divide_by"] < 1:
        raise invalid("divide_by must be at least 1.", "transform_quantity[divide_by]")
    return transform


def retrieve(workspace: Workspace, _parameters: Json, price_id: str) -> Json:
    return workspace.get(KIND, price_id)


def update(workspace: Workspace, parameters: Json, price_id: str) -> Json:
    """What a price charges never changes; only how it is called and whether it can be chosen."""
    price = workspace.get(KIND, price_id)
    for name in ("active", "lookup_key", "nickname"):
        if name in parameters:
            price[name] = parameters[name]
    if "metadata" in parameters:
        price["metadata"] = merged(price["metadata"], parameters["metadata"])
    workspace.save(price)
    events.emit(workspace, "price.updated", price, at=workspace.now())
    return price


def list_(workspace: Workspace, parameters: Json) -> Json:
    filters = {name: parameters.get(name) for name in ("active", "product", "currency", "type")}
    lookup_keys = parameters.get("lookup_keys") or []
    if len(lookup_keys) > 1:
        raise invalid("This sandbox filters by one lookup key at a time.", "lookup_keys")
    filters["lookup_key"] = lookup_keys[0] if lookup_keys else None
    return page_of(workspace, KIND, "/v1/prices", parameters, filters)


TIER_FIELDS = "tiers.up_to tiers.unit_amount tiers.unit_amount_decimal tiers.flat_amount tiers.flat_amount_decimal"
RECURRING_FIELDS = "recurring.interval recurring.interval_count recurring.meter recurring.usage_type"
OPERATIONS = {
    "v1.prices.create": Operation(
        create,
        f"active billing_scheme currency lookup_key metadata nickname product tiers_mode transform_quantity unit_amount"
        f" unit_amount_decimal product_data.name product_data.metadata product_data.unit_label"
        f" {RECURRING_FIELDS} {TIER_FIELDS}",
    ),
    "v1.prices.retrieve": Operation(retrieve),
    "v1.prices.update": Operation(update, "active lookup_key metadata nickname"),
    "v1.prices.list": Operation(list_, f"{PAGING} active created currency lookup_keys product type"),
}
