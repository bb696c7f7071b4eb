"""Why a counter says what it says: the events behind it, what is left out, and a recount in plain Python."""

from tally.explain.check import Total
from tally.explain.counter import CounterRow, Subject, subject_meant
from tally.explain.errors import NothingToExplain
from tally.explain.events import Event
from tally.explain.explanation import Explanation, explaining, fresh_recount
from tally.explain.moments import moment_of, month_of
from tally.explain.recount import EXACT, Definition, Recount
from tally.explain.surroundings import VOID, Booked, Conflict, Deliveries, Intent, Opening

__all__ = [
    "EXACT",
    "VOID",
    "Booked",
    "Conflict",
    "CounterRow",
    "Definition",
    "Deliveries",
    "Event",
    "Explanation",
    "Intent",
    "NothingToExplain",
    "Opening",
    "Recount",
    "Subject",
    "Total",
    "explaining",
    "fresh_recount",
    "moment_of",
    "month_of",
    "subject_meant",
]
