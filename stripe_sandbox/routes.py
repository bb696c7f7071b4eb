"""Every SDK call the sandbox answers."""

from stripe_sandbox import (
    credit_grants,
    credit_notes,
    customers,
    event_destinations,
    event_summaries,
    events,
    invoice_items,
    invoice_previews,
    invoices,
    meter_event_adjustments,
    meter_event_stream,
    meter_events,
    meters,
    prices,
    products,
    subscription_items,
    subscriptions,
    test_clocks,
    thin_events,
    webhook_endpoints,
)
from stripe_sandbox.operations import RouteTable

ROUTES = RouteTable(
    credit_grants.OPERATIONS
    | credit_notes.OPERATIONS
    | customers.OPERATIONS
    | event_destinations.OPERATIONS
    | event_summaries.OPERATIONS
    | events.OPERATIONS
    | invoice_items.OPERATIONS
    | invoice_previews.OPERATIONS
    | invoices.OPERATIONS
    | meter_event_adjustments.OPERATIONS
    | meter_event_stream.OPERATIONS
    | meter_events.OPERATIONS
    | meters.OPERATIONS
    | prices.OPERATIONS
    | products.OPERATIONS
    | subscription_items.OPERATIONS
    | subscriptions.OPERATIONS
    | test_clocks.OPERATIONS
    | thin_events.OPERATIONS
    | webhook_endpoints.OPERATIONS
)
