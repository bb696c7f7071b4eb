"""A small month with a fault planted into it, and all that reconciliation has to say about it."""

from small_month import TENANT, Month

from tally.adjustments import propose_late_adjustments
from tally.reconciliation import summarize


class Planted(Month):
    """A month with a fault planted into it."""

    def findings_and_notices(self) -> set[tuple[str, str, str, str]]:
        """All that reconciliation has to say, after a tick: (customer, metric, verdict or "notice", code)."""
        self.ledger.tick()
        propose_late_adjustments(self.connection, self.clock, TENANT)
        summary = summarize(self.reconcile())
        return {
            (
                line.customer_ref,
                line.metric,
                finding.verdict if finding.verdict == "notice" else line.verdict,
                finding.code,
            )
            for finding in (*summary.findings, *summary.notices)
            for line in finding.lines
        }
