"""What to do about a finding: by its code, in words and as a command to paste."""

import shlex
from dataclasses import dataclass

from tally.reconciliation.lines import Line


@dataclass(frozen=True)
class Mend:
    """`command` is ready to paste; None where a person has to look at Stripe or at the configuration first."""

    advice: str
    command: str | None


_RECONCILE = "tally reconcile --tenant {tenant}"
_MENDS = {
    "unmapped": Mend(
        "Name the Stripe meter under the metric's `stripe` in the configuration file.", "tally apply {file}"
    ),
    "unmapped customer": Mend(
        "Give the customer one subscription with a metered price for this metric in Stripe, then read it in.",
        "tally sync --tenant {tenant}",
    ),
    "undeclared metric": Mend("Declare the metric in the configuration file.", "tally apply {file}"),
    "lost event": Mend(
        "The ledger holds fewer events than were delivered in time. Rebuild it from the raw events.",
        "tally dbt build --full-refresh",
    ),
    "late events": Mend(
        "They landed after their period closed: a person decides what becomes of them.",
        "tally adjustments list --tenant {tenant} --state pending --customer {customer} --metric {metric}",
    ),
    "conflict": Mend(
        "A key came again with another payload: a person decides which one counts.",
        "tally conflicts list --tenant {tenant} --open",
    ),
    "period mismatch": Mend(
        "Stripe's periods and ours are not the same. Date the events by Stripe's; where a plan changed within a period,"
        " cut it with `tally periods split` first.",
        "tally replay --tenant {tenant} --customer {customer} --metric {metric}",
    ),
    "refused intent": Mend(
        "Stripe refused a push: `last_error` in tally.push_intents says why. Mend that first.",
        "tally push --tenant {tenant} --retry-refused",
    ),
    "unsent delta": Mend("Send what Stripe has not been told yet.", "tally push --tenant {tenant}"),
    "in flight": Mend("A push has no certain answer yet. It is repeated safely.", "tally push --tenant {tenant}"),
    "summary not read": Mend("Read Stripe's totals.", _RECONCILE),
    "summary out of date": Mend("Read Stripe's totals again.", _RECONCILE),
    "invoice not read": Mend("Read Stripe's invoices and previews.", _RECONCILE),
    "foreign writer": Mend(
        "Stripe holds usage that we never sent. Hold the invoice's draft, find who else sends to this meter, and let"
        " Stripe correct it: nothing of ours may be repeated.",
        "tally explain {customer} {metric} {moment} --tenant {tenant}",
    ),
    "double count": Mend(
        "Stripe counted one of our deltas twice: a copy of this database, or the same events pushed by another way."
        " Hold the invoice's draft and stop the other sender.",
        "tally explain {customer} {metric} {moment} --tenant {tenant}",
    ),
    "Stripe lag": Mend(
        "Stripe sums up with a delay. Read again after a quarter of an hour; if it stays, look for the meter's error"
        " reports in Stripe.",
        _RECONCILE,
    ),
    "invoice differs": Mend(
        "The invoice bills another quantity than was counted. A draft catches up when it is finalized; a final invoice"
        " needs a credit note or an item on the next one.",
        _RECONCILE,
    ),
    "price mismatch": Mend(
        "The invoice's price is not the one in force. Put the right price on the subscription item in Stripe, or into"
        " the metric's `stripe` in the configuration file; then read it in.",
        "tally sync --tenant {tenant}",
    ),
    "amount differs": Mend(
        "Quantities agree within epsilon, their amounts do not: a tier's edge lies between them. Look at both.",
        "tally explain {customer} {metric} {moment} --tenant {tenant}",
    ),
    "not priced": Mend("The counter moved since it was priced. Check again.", _RECONCILE),
    "rounding": Mend(
        "Both amounts are right: Stripe rounds its lines in other parts than we do. Nothing to mend.", None
    ),
}
_UNKNOWN = Mend("Compare the line's numbers from left to right: the first that differs is where to look.", None)


def mended_codes() -> tuple[str, ...]:
    """Every code that has a mend."""
    return tuple(_MENDS)


def mend_of(cause_code: str, tenant_id: str, configuration_file: str = "tally.yaml", line: Line | None = None) -> Mend:
    """The mend for a code, with its command filled in: for `line`, or with placeholders in capitals."""
    mend = _MENDS.get(cause_code, _UNKNOWN)
    if mend.command is None:
        return mend
    of_line = {
        "customer": _quoted(line.customer_ref) if line else "CUSTOMER",
        "metric": _quoted(line.metric) if line else "METRIC",
        "moment": f"{line.period_start:%Y-%m-%dT%H:%M:%SZ}" if line else "MOMENT",
    }
    return Mend(mend.advice, mend.command.format(tenant=tenant_id, file=configuration_file, **of_line))


def _quoted(text: str) -> str:
    return shlex.quote(text)
