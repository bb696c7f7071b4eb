"""Every metric family that the pipeline exports: its name, its labels and what it says. docs/metrics.md lists them too.

No label comes from a caller: no customer, no key, no free text. Tenants are bounded, the rest share OTHER_TENANTS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# No tenant can be called this.
OTHER_TENANTS = "_other"


@dataclass(frozen=True)
class Family:
    """One metric. Prometheus appends `_total` to the name of a counter; all others are gauges."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    is_counter: bool = False

    @property
    def exported_name(self) -> str:
        return f"{self.name}_total" if self.is_counter else self.name


@dataclass(frozen=True)
class Sample:
    """One value of a family; `labels` in the order that the family gives them."""

    family: str
    labels: Sequence[str]
    value: float


_EXPORTER = (
    Family("tally_build_info", "1, labelled with the version that runs.", ("version",)),
    Family("tally_up", "1: Postgres answered this scrape. 0: it did not, and all that is read from it is missing."),
    Family("tally_reading_success", "1: this part of the scrape was read. 0: its metrics are missing.", ("reading",)),
    Family("tally_reading_seconds", "How long this part took when it was last read.", ("reading",)),
    Family("tally_disk_free_bytes", "Free space, for ordinary users, of the file system that holds TALLY_HOME."),
    Family("tally_disk_size_bytes", "Size of the file system that holds TALLY_HOME."),
)
_LOOP = (
    Family("tally_loop_up", "1: a resident loop runs on this database."),
    Family("tally_loop_died", "1: the last loop ended without having been asked to."),
    Family("tally_loop_ticks", "Ticks since the loop started.", is_counter=True),
    Family("tally_loop_consecutive_failures", "Ticks in a row that failed, up to now."),
    Family("tally_loop_beat_age_seconds", "Time since the loop last wrote how it does."),
    Family("tally_loop_last_tick_age_seconds", "Time since the last tick; it ticks when something landed."),
    Family("tally_loop_last_tick_seconds", "How long the last tick took."),
)
_LEDGER = (
    Family("tally_ledger_rows_waiting", "Landed rows that some model has not read yet.", ("tenant",)),
    Family("tally_ledger_lag_seconds", "Age of the oldest of them; 0 when none waits.", ("tenant",)),
    Family("tally_ledger_deliveries", "Landed deliveries, by what became of them.", ("tenant", "outcome")),
    Family("tally_ledger_counters", "Counters.", ("tenant",)),
)
_PUSH = (
    Family("tally_push_intents", "Push intents, by state.", ("tenant", "mode", "state")),
    Family(
        "tally_push_oldest_open_intent_age_seconds",
        "Age of the oldest intent in each state that is not an end: planned, sending, unknown, resolving, disputed.",
        ("tenant", "mode", "state"),
    ),
    Family("tally_push_accounts_held_up", "Stripe accounts that are not called as usual.", ("mode", "reason")),
    Family("tally_push_mappings_paused", "Mappings whose meter Stripe does not have.", ("tenant",)),
)
_PARITY = (
    Family("tally_parity_lines", "Lines of the reconciliation, by verdict.", ("tenant", "verdict")),
    Family("tally_parity_findings", "Lines that do not agree, by severity.", ("tenant", "severity")),
    Family("tally_parity_oldest_break_age_seconds", "Time since the oldest open break was first seen.", ("tenant",)),
    Family(
        "tally_parity_drift_ratio",
        "Largest drift of a line whose period is not closed, over the largest of its totals.",
        ("tenant", "period"),
    ),
    Family("tally_parity_lines_beyond_epsilon", "Such lines that drift by more than epsilon.", ("tenant", "period")),
    Family("tally_parity_last_read_age_seconds", "Time since a total was last read from Stripe.", ("tenant",)),
)
_CLOSING = (
    Family("tally_closing_holds", "Open holds on invoice drafts, by state.", ("tenant", "state")),
    Family("tally_closing_oldest_hold_age_seconds", "Age of the oldest open hold.", ("tenant",)),
    Family("tally_closing_rests", "Rests of closed counters that are not done, by state.", ("tenant", "state")),
)
_STRIPE = (
    Family("tally_webhooks_open", "Webhooks of Stripe that are not handled, by state.", ("state",)),
    Family("tally_webhooks_oldest_waiting_age_seconds", "Age of the oldest that is only received; 0 when none is."),
    Family("tally_stripe_reads", "GETs in 30 days of the account nearest to its allowance.", ("mode",)),
    Family("tally_stripe_read_allowance_used_ratio", "The same, over its allowance.", ("mode",)),
)
_POSTGRES = (
    Family(
        "tally_postgres_oldest_write_transaction_age_seconds",
        "Age of the oldest write transaction: no row that landed after it began can be counted. 0 when none runs.",
    ),
    Family("tally_postgres_connections", "Connections of clients."),
    Family("tally_postgres_max_connections", "The most that the server takes."),
    Family("tally_postgres_size_bytes", "Size of the database."),
)

FAMILIES = {
    family.name: family for family in (*_EXPORTER, *_LOOP, *_LEDGER, *_PUSH, *_PARITY, *_CLOSING, *_STRIPE, *_POSTGRES)
}
