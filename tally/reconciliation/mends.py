"""What to do about a break: by the cause's code, in words and as a command to paste."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mend:
    """`command` is ready to paste; None where a person has to look at Stripe or at the configuration first."""

    advice: str
    command: str | None


_MENDS = {
    "unmapped": Mend(
        "Name the Stripe meter under the metric's `stripe` in the configuration file.", "tally apply {file}"
    ),
    "no subscription item": Mend(
        "Give the customer a subscription with a metered price for this metric in Stripe, then read it in.",
        "tally reconcile --tenant {tenant}",
    ),
    "undeclared metric": Mend("Declare the metric in the configuration file.", "tally apply {file}"),
    "lost event": Mend(
        "The ledger holds fewer events than were delivered in time. Rebuild it from the raw events.",
        "tally dbt build --full-refresh",
    ),
    "refused intents": Mend(
        "Stripe refused a push: `last_error` in tally.push_intents says why. Mend that first.",
        "tally push --tenant {tenant} --retry-refused",
    ),
    "unsent delta": Mend("Send what Stripe has not been told yet.", "tally push --tenant {tenant}"),
    "in flight": Mend("A push has no certain answer yet. It is repeated safely.", "tally push --tenant {tenant}"),
    "summary not read": Mend("Read Stripe's totals.", "tally reconcile --tenant {tenant}"),
    "summary out of date": Mend("Read Stripe's totals again.", "tally reconcile --tenant {tenant}"),
    "invoice not read": Mend("Read Stripe's invoices and previews.", "tally reconcile --tenant {tenant}"),
    "foreign writer or double count": Mend(
        "Stripe holds usage that we never sent. Hold the invoice's draft, find who else sends to this meter, and let"
        " Stripe correct it: nothing of ours may be repeated.",
        None,
    ),
    "Stripe lags or lost a delta": Mend(
        "Stripe sums up with a delay. Read again after a quarter of an hour; if it stays, look for the meter's error"
        " reports in Stripe.",
        "tally reconcile --tenant {tenant}",
    ),
    "invoice differs": Mend(
        "The invoice bills another quantity than was counted. A draft catches up when it is finalized; a final invoice"
        " needs a credit note or an item on the next one.",
        "tally reconcile --tenant {tenant}",
    ),
}
_UNKNOWN = Mend("Compare the line's numbers from left to right: the first that differs is where to look.", None)


def mend_of(cause_code: str, tenant_id: str, configuration_file: str = "tally.yaml") -> Mend:
    """The mend for a cause's code, with its command filled in."""
    mend = _MENDS.get(cause_code, _UNKNOWN)
    command = mend.command.format(tenant=tenant_id, file=configuration_file) if mend.command else None
    return Mend(mend.advice, command)
