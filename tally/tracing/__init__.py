"""Traces of OpenTelemetry: one id from a posted event over the tick that counts it to the push that bills it.

Off unless TALLY_TRACES is on. What speaks to OpenTelemetry is imported only then, by whoever begins a process' work.
"""

from tally.ledger import Ledger
from tally.settings import Settings


def ledger_of(settings: Settings) -> Ledger:
    """The ledger of the settings' database, one that traces its ticks where the settings say so."""
    if settings.traces == "off":
        return Ledger(settings)
    from tally.tracing.ticks import TracedLedger

    return TracedLedger(settings)
