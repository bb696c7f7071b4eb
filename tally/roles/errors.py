"""Why roles cannot be made."""

from tally.errors import TallyError


class RolesRefused(TallyError):
    """The user of DATABASE_URL may not do this; nothing was changed."""
