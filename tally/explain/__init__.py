"""Why a counter says what it says: the events behind it, what is left out, and a recount in plain Python."""

from tally.explain.check import Total
from tally.explain.counter import CounterRow, Subject
from tally.explain.errors import NothingToExplain
from tally.explain.events import Event
from tally.explain.explanation import Explanation, explaining
from tally.explain.moments import moment_of, month_of
from tally.explain.recount import Definition, Recount
from tally.explain.surroundings import Booked, Conflict, Deliveries, Intent, Opening

__all__ = [
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
    "moment_of",
    "month_of",
]
