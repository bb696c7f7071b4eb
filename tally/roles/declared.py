"""What each service may do in Postgres: the roles, whose objects are whose, and every privilege that is granted.

A role's tables are named one by one or as `schema.*`; a name goes before its schema. What is not listed is not granted.
docs/security.md says the same for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

ADMIN, LEDGER, LOOP, DAGSTER, DOOR, READER = (
    "tally_admin",
    "tally_ledger",
    "tally_loop",
    "tally_dagster",
    "tally_door",
    "tally_reader",
)

# Everything in a schema belongs to one role. dbt makes what it makes as the owner of the schema: macros/door_view.sql.
OWNERS: Mapping[str, str] = {
    "raw": ADMIN,
    "tally": ADMIN,
    "tally_schema": ADMIN,
    "archive": ADMIN,
    "staging": LEDGER,
    "ledger": LEDGER,
    "marts": LEDGER,
    "door": LEDGER,
    "dagster": DAGSTER,
}
# What goes out of date when it is not the migrator that makes it: granted ahead, to whoever may have it.
MADE_LATER: tuple[tuple[str, str, str, str, str], ...] = (
    # maker, schema, kind, privileges, role
    (LEDGER, "staging", "tables", "select", READER),
    (LEDGER, "ledger", "tables", "select", READER),
    (LEDGER, "marts", "tables", "select", READER),
    (LEDGER, "door", "tables", "select", DOOR),
    (DAGSTER, "dagster", "tables", "select, insert, update, delete", LOOP),
    (DAGSTER, "dagster", "sequences", "select, usage, update", LOOP),
)
_WRITE = "insert, update, delete"
# Stripe as last read, and the periods that follow from it: the loop asks before it dates a new customer's events.
_MIRROR = (
    "customer_periods", "mapping_pauses", "stripe_item_prices", "stripe_meters", "stripe_prices", "stripe_reads",
    "stripe_subscription_items", "stripe_unmapped",
)  # fmt: skip
_ALERTS = ("alert_deliveries", "alert_evaluators", "alert_history", "alert_marks", "alerts")
# Written by people at the command line, with tally_admin: what is metered, who may post, what was taken away.
_PEOPLES = (
    "api_keys", "conflict_decisions", "customers", "deleted_hours", "detached_days", "detached_deliveries",
    "erased_stripe_customers", "erasures", "event_reversals", "imports", "meters", "price_mappings",
    "restamped_relations", "restamps", "shadow_mappings", "simulated_clock", "tenants", "usage_alert_rules",
    "usage_check_limits",
)  # fmt: skip


@dataclass(frozen=True)
class Role:
    """A group role, without a login. `columns`: relation to privilege to columns, where not all of them are granted."""

    name: str
    purpose: str
    tables: Mapping[str, str]
    member_of: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    creates_in: tuple[str, ...] = ()

    def privileges(self, schema: str, name: str) -> frozenset[str]:
        """What it is granted on a table, view or sequence, in lower case."""
        listed = self.tables.get(f"{schema}.{name}", self.tables.get(f"{schema}.*", ""))
        return frozenset(part.strip() for part in listed.split(",") if part.strip())

    @property
    def schemas(self) -> frozenset[str]:
        """The schemas that it has to look into."""
        named = {relation.partition(".")[0] for relation in (*self.tables, *self.functions)}
        return frozenset(named | set(self.creates_in))


ROLES: tuple[Role, ...] = (
    Role(
        DOOR,
        "the ingest door: lands events and webhooks, keeps API keys, answers its reading routes",
        {
            "raw.usage_events": "insert",
            "raw.usage_events_seq": "usage",
            "door.*": "select",
            "tally.api_keys": "select, insert",
            "tally.deleted_hours": "select",
            "tally.detached_days": "select",
            "tally.meters": "select",
            "tally.model_bounds": "select",
            "tally.simulated_clock": "select",
            "tally.stripe_webhooks": "insert",
            "tally.tenants": "select",
            "tally.trace_links": "insert",
            "tally_schema.migrations": "select",
        },
        columns={
            "tally.api_keys": {"update": ("burst", "events_per_second", "expires_at", "last_used_at", "revoked_at")},
            "tally.stripe_webhooks": {"select": ("event_id",)},
        },
        functions=("tally.ensure_partitions",),
    ),
    Role(
        LEDGER,
        "owns what dbt makes; the roles that run dbt are members, nobody logs in with it",
        {
            "raw.usage_events": "select",
            "tally.*": "select",
            "tally.api_keys": "",
            "tally.model_bounds": "select, insert, update",
            "tally_schema.migrations": "select",
        },
    ),
    Role(
        LOOP,
        "the resident loop: ticks, proposes late adjustments, mirrors billing periods, reports to Dagster",
        {
            **{f"tally.{name}": _WRITE for name in (*_MIRROR, *_ALERTS)},
            "tally.adjustment_events": "insert, delete",
            "tally.adjustments": "insert, update",
            "tally.loop_heartbeat": "insert, update",
            "tally.push_intents": "update",  # a sync releases those whose cause was mended
            "tally.trace_links": "delete",
            "tally.traced_counters": _WRITE,
            "dagster.*": "select, insert, update, delete",
        },
        (LEDGER,),
        creates_in=("dagster",),
    ),
    Role(
        DAGSTER,
        "Dagster's webserver, daemon and runs: pushes, closes periods, reconciles, replays",
        {
            "tally.*": _WRITE,
            **{f"tally.{name}": "" for name in _PEOPLES},
            "tally.model_bounds": "update",
            "tally.invoice_line_proofs": "insert",
            "tally.report_lines": "insert",
            "tally.report_runs": "insert",
        },
        (LOOP,),
        functions=("tally.analyze_table", "tally.ensure_partitions"),
    ),
    Role(
        READER,
        "people and dashboards: reads everything but the hashes of API keys, writes nothing",
        {
            "raw.usage_events": "select",
            "tally.*": "select",
            "tally.api_keys": "",
            "tally_schema.migrations": "select",
            "staging.*": "select",
            "ledger.*": "select",
            "marts.*": "select",
        },
        columns={
            "tally.api_keys": {
                "select": (
                    "burst",
                    "created_at",
                    "events_per_second",
                    "expires_at",
                    "key_id",
                    "last_used_at",
                    "name",
                    "replaces",
                    "revoked_at",
                    "scopes",
                    "tenant_id",
                )
            }
        },
    ),
    Role(
        ADMIN,
        "migrates, applies the configuration, backs up, erases; owns everything, writes as a person does",
        {},
        (DAGSTER, DOOR),
    ),
)
NAMES: tuple[str, ...] = tuple(role.name for role in ROLES)
