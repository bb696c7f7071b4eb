"""Stripe's grace against the lateness windows: what lands after an invoice is final is on no invoice of its period."""

from collections.abc import Iterator
from datetime import timedelta

from tally.doctor.patient import Patient
from tally.doctor.result import Result, ok, warning

CHECK = "grace"
# Stripe's, until the Dashboard says otherwise; 72 hours is its most.
USUAL = timedelta(hours=1)
MOST = timedelta(hours=72)
# Drafts as they were last read, and those that were ever held: the newest one says how the account is set.
_GRACE = """
select distinct on (account) account, finalizes_at - period_end
from (
    select account, period_end, invoice_finalizes_at as finalizes_at from tally.stripe_totals
    where invoice_finalizes_at is not null
    union all
    select account, period_end, finalizes_at from tally.invoice_holds
) as seen
where finalizes_at > period_end
order by account, finalizes_at desc
"""
_METERS = """
select mapping.account, meter.tenant_id, meter.metric, meter.lateness_window
from tally.price_mappings as mapping
inner join tally.meters as meter using (tenant_id, metric)
where mapping.active
order by 1, 2, 3
"""


def grace(patient: Patient) -> Iterator[Result]:
    """One line per account: which of its meters take events for longer than an invoice waits."""
    seen = dict(patient.rows(_GRACE))
    by_account: dict[str, list[tuple[str, timedelta]]] = {}
    for account, tenant, metric, window in patient.rows(_METERS):
        by_account.setdefault(account, []).append((f"{tenant}/{metric}", window))
    if not by_account:
        yield ok(CHECK, "no metric is mapped to Stripe")
    for account, meters in by_account.items():
        given = seen.get(account, USUAL)
        known = "as its newest draft says" if account in seen else "Stripe's default, since no draft was read yet"
        longer = [(name, window) for name, window in meters if window > given]
        if not longer:
            yield ok(CHECK, f"{account}: invoices wait {_hours(given)} ({known}), no meter takes events for longer")
            continue
        longest = max(window for _, window in longer)
        named = ", ".join(f"{name} {_hours(window)}" for name, window in longer[:3])
        more = f" and {len(longer) - 3} more" if len(longer) > 3 else ""
        raised = min(longest, MOST)
        yield warning(
            CHECK,
            f"{account}: invoices are final {_hours(given)} after a period ({known}), and meters take events"
            f" for longer: {named}{more}. What lands between becomes a rest on the next invoice",
            f"set {_hours(raised)} in Stripe's Dashboard (Settings, Billing, Invoices), or shorten lateness_window;"
            " docs/closing.md",
        )


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:g} h"
