"""What backup and restore refuse."""

from tally.errors import TallyError


class BackupRefused(TallyError):
    """No backup was written or nothing was restored; the message says why."""


class RestampRefused(TallyError):
    """The transaction ids were left as they are; the message says why and what to do."""
