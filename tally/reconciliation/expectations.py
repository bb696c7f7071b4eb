"""The parity suite in Great Expectations' terms. Import it late: the library costs 5 s and 350 MB.

The lines' own verdicts are not trusted here: the quantities are compared again, by this SQL, so that a wrong
quantity and a wrong verdict each turn the suite red. `tally.parity` runs it.
"""

import great_expectations as gx
from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation

# What one line is about. `is not distinct from` everything: an unmapped line has no account.
GRAIN = ("tenant_id", "account", "livemode", "customer_ref", "metric", "period_start")

# A line that no Stripe price maps has nothing to agree with: it is counted and shown, and breaks nothing.
_MAPPED = "verdict is distinct from 'unmapped'"
# A customer without usage has no counter. Nothing counted is zero, and the other three must then be zero too.
_LOCAL = "coalesce(local_quantity, 0)"


def _within_epsilon(left: str, right: str) -> str:
    return f"abs({left} - {right}) <= epsilon * greatest(abs({left}), abs({right}))"


class ExpectUsageParityWithinEpsilon(UnexpectedRowsExpectation):
    """Counter, sent, Stripe's summary and the invoice agree within the tenant's epsilon.

    `is not true`: a comparison with a missing number is neither true nor false, and must fail.
    """

    unexpected_rows_query: str = f"""
        select * from {{batch}}
        where {_MAPPED} and (
            {_within_epsilon(_LOCAL, "sent_quantity")}
            and {_within_epsilon(_LOCAL, "stripe_quantity")}
            and {_within_epsilon(f"greatest(0, {_LOCAL})", "invoice_quantity")}
        ) is not true
    """


class ExpectUsageLinesToBeComplete(UnexpectedRowsExpectation):
    """Every mapped line carries every number: what was not read is not zero."""

    unexpected_rows_query: str = f"""
        select * from {{batch}}
        where {_MAPPED} and (
            num_nulls(sent_quantity, stripe_quantity, invoice_quantity, epsilon, verdict, period_end) > 0
            or (local_quantity is null and event_count > 0)
        )
    """


class ExpectUsageVerdictsToBeOk(UnexpectedRowsExpectation):
    """The line's own verdict agrees, deliveries and integrity included."""

    unexpected_rows_query: str = f"select * from {{batch}} where verdict is distinct from 'ok' and {_MAPPED}"


class ExpectUsageLinesToBeUnique(UnexpectedRowsExpectation):
    """One line per tenant, account, mode, customer, metric and period."""

    unexpected_rows_query: str = f"""
        select * from (
            select *, count(*) over (partition by {", ".join(GRAIN)}) as lines_of_this_kind from {{batch}}
        ) as counted
        where lines_of_this_kind > 1
    """


def parity_suite() -> gx.ExpectationSuite:
    """Four expectations over a batch of `marts.reconciliation_lines`, in the order a person would ask them."""
    return gx.ExpectationSuite(
        name="usage_parity",
        expectations=[
            ExpectUsageParityWithinEpsilon(),
            ExpectUsageLinesToBeComplete(),
            ExpectUsageVerdictsToBeOk(),
            ExpectUsageLinesToBeUnique(),
        ],
    )
