"""What the next invoice would say if the period ended with the usage applied so far. Stores nothing."""

from stripe_sandbox import customers, invoice_plans, invoice_store, trials
from stripe_sandbox import subscription_store as store
from stripe_sandbox.errors import StripeError, missing_parameter
from stripe_sandbox.ids import new_id
from stripe_sandbox.operations import Operation
from stripe_sandbox.state import Json
from stripe_sandbox.workspace import Workspace


def create_preview(workspace: Workspace, parameters: Json) -> Json:
    subscription = _subscription(workspace, parameters)
    items = store.items_of(workspace, subscription["id"])
    start, end = items[0]["current_period_start"], items[0]["current_period_end"]
    plan = invoice_plans.for_usage(workspace, items)
    if trials.is_free(subscription):
        plan = invoice_plans.at_nothing(workspace, plan)
    if not subscription["cancel_at_period_end"]:
        plan += _next_period_in_advance(workspace, subscription, items)
    invoice_id = new_id("upcoming_in")
    preview = invoice_store.blank(workspace, invoice_id, subscription, plan, "upcoming", (start, end), at=end)
    return invoice_store.shown(workspace, preview)


def _next_period_in_advance(workspace: Workspace, subscription: Json, items: list[Json]) -> invoice_plans.Plan:
    following = []
    for item in items:
        cycle = store.cycle_of(subscription, store.price_of(workspace, item))
        start, end = cycle.period_at(item["current_period_end"])
        following.append({**item, "current_period_start": start, "current_period_end": end})
    return invoice_plans.in_advance(workspace, subscription, following)


def _subscription(workspace: Workspace, parameters: Json) -> Json:
    """The one asked for, or the customer's next to be billed."""
    if "subscription" in parameters:
        subscription = workspace.get(store.KIND, parameters["subscription"], "subscription")
        if "customer" in parameters and subscription["customer"] != parameters["customer"]:
            raise StripeError("The subscription belongs to another customer.", param="subscription")
        running = [subscription] if subscription["status"] != store.ENDED else []
    elif "customer" in parameters:
        customer = customers.living(workspace, parameters["customer"])
        condition = "and customer = ? and due_at is not null order by due_at, seq"
        running = workspace.state.select(workspace.namespace, store.KIND, condition, (customer["id"],))
    else:
        raise missing_parameter("customer")
    if not running:
        raise StripeError("No upcoming invoices for this customer.", status=404, code="invoice_upcoming_none")
    return running[0]


OPERATIONS = {"v1.invoices.create_preview": Operation(create_preview, "customer preview_mode subscription")}
