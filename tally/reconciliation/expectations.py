"""The parity suite in Great Expectations' terms. Import it late: the library costs 4 s and 150 MB.

The lines' own verdicts are not trusted here: the quantities are compared again, by this SQL, so that a wrong
quantity and a wrong verdict each turn the suite red. `tally.parity` runs it.
"""

import great_expectations as gx
from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation

# What one line is about. `is not distinct from` everything: an unmapped line has no account.
GRAIN = ("tenant_id", "account", "livemode", "customer_ref", "metric", "period_start")

# A line that no Stripe price maps has nothing to agree with: it is counted and shown, and breaks nothing.
_MAPPED = "verdict is distinct from 'unmapped'"
# While usage goes on, what was counted a moment ago is on its way. No line is let off in the hours before it is billed.
_JUDGED = f"{_MAPPED} and is_settling is not true"
# A customer without usage has no counter. Nothing counted is zero, and the other three must then be zero too.
_LOCAL = "coalesce(local_quantity, 0)"
# What was billed, credited or written off after the invoice; of most lines nothing.
_SETTLED = "coalesce(settled_quantity, 0)"
# Of an invoice line that bills several segments of a period, what they are due together.
_DUE = f"case when billed_segments > 1 then invoice_due else greatest(0, {_LOCAL}) end"
# Stripe rounds each line to the minor unit, and in other parts than we do.
_ROUNDING = "coalesce(rounded_parts, 1)"
_A_DAY = "interval '26 hours'"


def _within_epsilon(left: str, right: str) -> str:
    return f"abs({left} - {right}) <= epsilon * greatest(abs({left}), abs({right}))"


class ExpectUsageParityWithinEpsilon(UnexpectedRowsExpectation):
    """Counter, sent, Stripe's summary and the invoice agree within the line's epsilon.

    `is not true`: a comparison with a missing number is neither true nor false, and must fail.
    """

    unexpected_rows_query: str = f"""
        select * from {{batch}}
        where {_JUDGED} and (
            ({_within_epsilon(_LOCAL, "sent_quantity")} or {_within_epsilon(_LOCAL, f"(sent_quantity + {_SETTLED})")})
            and ({_within_epsilon(_LOCAL, "stripe_quantity")}
                or {_within_epsilon(_LOCAL, f"(stripe_quantity + {_SETTLED})")})
            and {_within_epsilon(f"({_DUE})", f"(invoice_quantity + {_SETTLED})")}
        ) is not true
    """


class ExpectUsageAmountsToAgree(UnexpectedRowsExpectation):
    """The invoice's amount is what the counted usage costs, within epsilon or the rounding of its parts."""

    unexpected_rows_query: str = f"""
        select * from {{batch}}
        where {_JUDGED} and (
            money_verdict = 'ok'
            and (
                abs(amount_drift) <= {_ROUNDING}
                or abs(amount_drift) <= epsilon * greatest(abs(local_amount), abs(local_amount - amount_drift))
            )
        ) is not true
    """


class ExpectUsageLinesToBeComplete(UnexpectedRowsExpectation):
    """Every mapped line carries every number: what was not read, or not priced, is not zero."""

    unexpected_rows_query: str = f"""
        select * from {{batch}}
        where {_JUDGED} and (
            num_nulls(
                sent_quantity, stripe_quantity, invoice_quantity, invoice_amount, local_amount, epsilon, verdict,
                period_end
            ) > 0
            or (local_quantity is null and event_count > 0)
        )
    """


class ExpectUsageLinesToBeFresh(UnexpectedRowsExpectation):
    """Every number of Stripe's was read within a day, or after its invoice was final."""

    unexpected_rows_query: str = f"""
        select * from {{batch}}
        where {_MAPPED} and (
            summary_read_at >= tally.now() - {_A_DAY} and invoice_read_at >= tally.now() - {_A_DAY}
            or is_final
        ) is not true
    """


class ExpectUsageVerdictsToBeOk(UnexpectedRowsExpectation):
    """The line's own verdict agrees: integrity, delivery, business and money."""

    unexpected_rows_query: str = f"select * from {{batch}} where verdict is distinct from 'ok' and {_JUDGED}"


class ExpectUsageLinesToBeUnique(UnexpectedRowsExpectation):
    """One line per tenant, account, mode, customer, metric and period."""

    unexpected_rows_query: str = f"""
        select * from (
            select *, count(*) over (partition by {", ".join(GRAIN)}) as lines_of_this_kind from {{batch}}
        ) as counted
        where lines_of_this_kind > 1
    """


def parity_suite() -> gx.ExpectationSuite:
    """The expectations of a batch of `marts.reconciliation_lines`, in the order a person would ask them."""
    return gx.ExpectationSuite(
        name="usage_parity",
        expectations=[
            ExpectUsageParityWithinEpsilon(),
            ExpectUsageAmountsToAgree(),
            ExpectUsageLinesToBeComplete(),
            ExpectUsageLinesToBeFresh(),
            ExpectUsageVerdictsToBeOk(),
            ExpectUsageLinesToBeUnique(),
        ],
    )
