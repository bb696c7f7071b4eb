"""The demo: two real months of flights, metered, billed and proven against an independent truth."""
