"""Backup into one file, restore into an empty database, and the new transaction ids that a restore needs."""

from tally.backup.archive import BackupFile, backup, restore
from tally.backup.errors import BackupRefused, RestampRefused
from tally.backup.restamp import Restamped, RestampPlan, adopt_ids, plan, restamp

__all__ = [
    "BackupFile",
    "BackupRefused",
    "RestampPlan",
    "RestampRefused",
    "Restamped",
    "adopt_ids",
    "backup",
    "plan",
    "restamp",
    "restore",
]
