"""Trials: a first period in which nothing is billed. The billing cycle begins when it ends, unless it is anchored."""

from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.state import Json

TRIALING = "trialing"
DAY = 24 * 3600
LONGEST_DAYS = 730


def end_of(parameters: Json, now: int) -> int | None:
    """When the trial asked for ends; None without one."""
    if "trial_end" in parameters and "trial_period_days" in parameters:
        raise StripeError("You may only specify one of these parameters: trial_end, trial_period_days.")
    end = parameters.get("trial_end")
    if "trial_period_days" in parameters:
        end = now + parameters["trial_period_days"] * DAY
    if end is None or end == "now":
        return None
    if not now < end <= now + LONGEST_DAYS * DAY:
        raise invalid(f"The trial must end in the future, within {LONGEST_DAYS} days.", "trial_end")
    return int(end)


def fields(trial_end: int | None, now: int) -> Json:
    """A new subscription's status and trial."""
    if trial_end is None:
        return {"status": "active", "trial_start": None, "trial_end": None}
    return {"status": TRIALING, "trial_start": now, "trial_end": trial_end}


def move_end(subscription: Json, items: list[Json], requested: int | str, now: int) -> None:
    """A trial that runs ends at another moment, or now; the subscription's and the items' fields are changed."""
    if subscription["status"] != TRIALING:
        raise invalid("This sandbox moves the end of a trial that runs; it does not begin one later.", "trial_end")
    end = now if requested == "now" else end_of({"trial_end": requested}, now)
    if subscription["billing_cycle_anchor"] == subscription["trial_end"]:
        subscription["billing_cycle_anchor"] = end
    subscription["trial_end"] = end
    for item in items:
        item["current_period_end"] = end


def is_free(subscription: Json) -> bool:
    """Whether the running period is the trial: its usage is on the invoice, at nothing."""
    return bool(subscription["status"] == TRIALING)
