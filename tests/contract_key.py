"""The key of a Stripe sandbox that the contract tests may use beside the local Stripe, and what is said without one."""

import os

import pytest

VARIABLE = "STRIPE_CONTRACT_KEY"
TEST_PREFIXES = ("sk_test_", "rk_test_")


def contract_key() -> str | None:
    """The test key given, or None.

    Raises:
        pytest.UsageError: a key that is no test key. The contract tests create meters, customers and invoices.
    """
    key = os.environ.get(VARIABLE)
    if not key:
        return None
    if not key.startswith(TEST_PREFIXES):
        raise pytest.UsageError(f"{VARIABLE} must be a test key (sk_test_, rk_test_): nothing was sent anywhere")
    return key


def what_was_compared() -> str:
    """A sentence for the end of a run."""
    if contract_key() is None:
        return f"Stripe contract: the local Stripe only. {VARIABLE} is not set, so Stripe itself was not compared."
    return "Stripe contract: the local Stripe, and the Stripe sandbox that the key in the environment opens."
