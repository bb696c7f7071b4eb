"""Everything Tallyledger refuses on purpose: one exception a cause, each saying what to do about it."""


class TallyError(Exception):
    """A refusal with a message for the person at the terminal. The CLI prints it without a traceback and exits 1."""


class SettingsError(TallyError):
    """A setting is missing or malformed; the message names the variable."""


class DatabaseUnavailable(TallyError):
    """The database does not answer, or the embedded one cannot be started."""


class SchemaError(TallyError):
    """The database's schema is not the one this version needs."""


class ConfigurationError(TallyError):
    """The declared configuration (YAML) is wrong; the message names the place in the file."""


class StripeModeError(TallyError):
    """A live key where a test key belongs, or the reverse, or none at all. Nothing was sent."""


class ShadowClosed(StripeModeError):
    """Shadow mode lacks the keys that keep it apart from live. Nothing was sent to the shadow account."""


class LedgerError(TallyError):
    """A ledger model failed; the message is the model's. Nothing of the failed model was committed."""


class LedgerBusy(LedgerError):
    """Another runner is ticking this database's ledger."""
