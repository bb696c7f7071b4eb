"""What Stripe's usage-billing endpoints take and answer, derived from the installed SDK's own types."""
