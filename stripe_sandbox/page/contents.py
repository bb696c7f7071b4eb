"""What the page shows of one namespace, read in one go. Rows of a customer can be searched by id, name and metadata."""

from dataclasses import dataclass
from typing import Any

from stripe_sandbox import invoice_store, subscription_store
from stripe_sandbox.page import metering
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.settings import Settings
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace

NEWEST = 100  # rows of what grows without end


@dataclass(frozen=True)
class Contents:
    """Rows are dictionaries ready for the template; `totals` counts what is there, also beyond the newest rows."""

    namespace: str
    namespaces: list[str]
    search: str
    now: int
    totals: dict[str, int]
    changed_settings: dict[str, Any]
    background_error: str | None
    meters: list[Json]
    usage: list[Json]
    customers: list[Json]
    invoices: list[Json]
    events: list[Json]
    clocks: list[Json]
    endpoints: list[Json]
    deliveries: list[Json]


def read(sandbox: Sandbox, namespace: str, search: str = "") -> Contents:
    """Everything, or with `search` what belongs to the customers that it matches."""
    workspace = sandbox.workspace(namespace)
    names = {customer["id"]: _names(customer) for customer in workspace.state.select(namespace, "customer")}
    labels = {customer: f"{name} {customer}".strip() for customer, name in names.items()}
    found = {each for each, label in labels.items() if search.lower() in label.lower()} if search else None
    defaults = Settings().as_json()

    def chosen(rows: list[Json]) -> list[Json]:
        kept = rows if found is None else [row for row in rows if row["customer"] in found]
        own = [(row["customer"] or "", row) for row in kept]
        return [{**row, "names": names.get(each, ""), "label": labels.get(each, each)} for each, row in own]

    return Contents(
        namespace=namespace,
        namespaces=_namespaces(sandbox, namespace),
        search=search,
        now=workspace.now(),
        totals=_totals(workspace),
        changed_settings={k: v for k, v in sandbox.settings.as_json().items() if v != defaults[k]},
        background_error=sandbox.background_error,
        meters=metering.meters(workspace),
        usage=chosen(metering.usage(workspace)),
        customers=chosen(_customers(workspace)),
        invoices=chosen(_invoices(workspace)),
        events=chosen(metering.events(workspace, NEWEST)),
        clocks=workspace.state.select(namespace, "test_helpers.test_clock"),
        endpoints=[*map(_endpoint, _destinations(workspace))],
        deliveries=_deliveries(workspace),
    )


def _names(customer: Json) -> str:
    """What people call a customer: the name, the email, and what the metadata says, such as its customer_ref."""
    names = [customer.get("name"), customer.get("email"), *(customer.get("metadata") or {}).values()]
    return " · ".join(name for name in names if name)


def _namespaces(sandbox: Sandbox, shown: str) -> list[str]:
    rows = sandbox.state.rows("select namespace from objects union select namespace from meter_events")
    return sorted({"test", "live", shown, *(row["namespace"] for row in rows)})


def _totals(workspace: Workspace) -> dict[str, int]:
    rows = workspace.state.rows(
        "select kind, count(*) as number from objects where namespace = ? group by kind"
        " union all select 'event:' || outcome, count(*) from meter_events where namespace = ? group by outcome"
        " union all select 'deliveries', count(*) from webhook_deliveries where namespace = ?",
        (workspace.namespace,) * 3,
    )
    return {row["kind"]: row["number"] for row in rows}


def _customers(workspace: Workspace) -> list[Json]:
    subscriptions: dict[str, list[Json]] = {}
    for subscription in workspace.state.select(workspace.namespace, subscription_store.KIND):
        shown = subscription_store.shown(workspace, subscription)
        subscriptions.setdefault(subscription["customer"], []).append(shown)
    rows = []
    for customer in workspace.state.select(workspace.namespace, "customer"):
        own = subscriptions.get(customer["id"], [])
        items = sum(len(subscription["items"]["data"]) for subscription in own)
        rows.append({**customer, "customer": customer["id"], "subscriptions": own, "items": items})
    return rows


def _invoices(workspace: Workspace) -> list[Json]:
    newest = workspace.state.select(
        workspace.namespace, invoice_store.KIND, "and true order by seq desc limit ?", (NEWEST,)
    )
    return [
        {**invoice_store.shown(workspace, invoice), "all_lines": invoice_store.all_lines(workspace, invoice)}
        for invoice in newest
    ]


def _destinations(workspace: Workspace) -> list[Json]:
    kinds = ("webhook_endpoint", "v2.core.event_destination")
    return [each for kind in kinds for each in workspace.state.select(workspace.namespace, kind)]


def _endpoint(destination: Json) -> Json:
    """Without its signing secret."""
    names = ("id", "status", "enabled_events")
    payload = destination.get("event_payload", "snapshot")
    return {**{name: destination[name] for name in names}, "url": destination.get("url") or destination["_url"]} | {
        "payload": payload
    }


def _deliveries(workspace: Workspace) -> list[Json]:
    rows = workspace.state.rows(
        "select delivery.destination, delivery.event, delivery.attempts, delivery.next_attempt_at,"
        " json_extract(event.body, '$.type') as type from webhook_deliveries as delivery left join objects as event"
        " on event.namespace = delivery.namespace and event.id = delivery.event"
        " where delivery.namespace = ? order by delivery.seq desc limit ?",
        (workspace.namespace, NEWEST),
    )
    return [dict(row) for row in rows]
