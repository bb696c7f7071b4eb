"""When a subscription's cycle is anchored, and that all its items can share it."""

from stripe_sandbox.billing_periods import after_intervals, anchor_on
from stripe_sandbox.errors import invalid
from stripe_sandbox.state import Json


def require_one_rhythm(prices: list[Json]) -> None:
    first = prices[0]
    for price in prices:
        rhythm = [(each["recurring"]["interval"], each["recurring"]["interval_count"]) for each in (first, price)]
        if rhythm[0] != rhythm[1]:
            raise invalid("This sandbox bills all items of a subscription in one interval.", "items")
        if price["currency"] != first["currency"]:
            raise invalid("All prices of a subscription must have the same currency.", "items")


def anchor_of(parameters: Json, price: Json, now: int, trial_end: int | None = None) -> int:
    """Where the cycle is anchored; a trial's end, where nothing else was asked for."""
    config, anchor = parameters.get("billing_cycle_anchor_config"), parameters.get("billing_cycle_anchor")
    if config is not None:
        if "month" in config:
            raise invalid("This sandbox anchors by day of the month only.", "billing_cycle_anchor_config[month]")
        parts = (config.get(part) for part in ("hour", "minute", "second"))
        return anchor_on(now, config["day_of_month"], *parts)
    if not isinstance(anchor, int):
        return now if trial_end is None else trial_end
    if anchor < now:
        raise invalid("billing_cycle_anchor cannot be in the past.", "billing_cycle_anchor")
    recurring = price["recurring"]
    if anchor > after_intervals(now, recurring["interval"], recurring["interval_count"]):
        raise invalid(
            "billing_cycle_anchor cannot be later than the next natural billing date.", "billing_cycle_anchor"
        )
    return anchor


def full_config(config: Json | None) -> Json | None:
    names = ("day_of_month", "hour", "minute", "month", "second")
    return None if config is None else {name: config.get(name) for name in names}
