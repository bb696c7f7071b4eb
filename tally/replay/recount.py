"""Counters recounted at once, because somebody decided about their events."""

from collections.abc import Iterable

from tally.clock import clock_for
from tally.database import connect, database_url
from tally.ledger import Ledger
from tally.replay.records import Replay
from tally.replay.replays import Replays
from tally.replay.request import Request
from tally.settings import Settings


def recount_events(settings: Settings, tenant_id: str, keys: Iterable[str], actor: str) -> Replay:
    """Replay the counters that the events under `keys` are in, and apply it. Closed ones stay as they are.

    Doing it again changes nothing.

    Raises:
        ReplayRefused: the ledger has not read one of the keys.
        ReplayBusy: another replay of the tenant is at work.
        LedgerError: a ledger model failed.
    """
    url = database_url(settings)
    with connect(url, autocommit=True) as connection:
        replays = Replays(url, clock_for(settings, connection), Ledger(settings).tick)
        return replays.apply_at_once(Request(tenant_id, keys=tuple(keys)), actor)
