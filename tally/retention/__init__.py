"""What of the landed rows and hours may go, what is lost with it, and taking it away. Nothing here goes by itself."""

from tally.retention.age import parse_age
from tally.retention.archived import ArchivedDay, archived_days, drop, reattach
from tally.retention.days import Day, days_older_than
from tally.retention.detaching import detach
from tally.retention.errors import RetentionRefused
from tally.retention.hours import OldHours, delete_hours, old_hours
from tally.retention.kept import KeptTable, kept_tables

__all__ = [
    "ArchivedDay",
    "Day",
    "KeptTable",
    "OldHours",
    "RetentionRefused",
    "archived_days",
    "days_older_than",
    "delete_hours",
    "detach",
    "drop",
    "kept_tables",
    "old_hours",
    "parse_age",
    "reattach",
]
