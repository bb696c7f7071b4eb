"""Stripe as the pipeline sees it: accounts, the mirror of what is billed, the totals that it reads back."""
