"""A local, stateful Stripe for usage billing: meters, subscriptions, test clocks, invoices, over HTTP."""
