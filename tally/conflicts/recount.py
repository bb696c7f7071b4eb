"""The counters of reversed events, recounted by replay."""

from tally.replay import Replay, recount_events
from tally.settings import Settings


def recount(settings: Settings, tenant_id: str, key: str, actor: str) -> Replay:
    """Recount the counter of the event under `key`, which was reversed. Doing it again changes nothing.

    Raises:
        ReplayBusy: another replay of the tenant is at work; decide the same again afterwards.
        LedgerError: a ledger model failed.
    """
    return recount_events(settings, tenant_id, [key], actor)
