"""The resident loop put together. Dagster is imported where it is needed, so that counting starts seconds earlier."""

import threading
from collections.abc import Sequence

from dagster_project.lib.alert_watch import AlertWatch
from dagster_project.lib.period_lookup import PeriodLookup
from dagster_project.lib.report_queue import ReportQueue
from dagster_project.lib.tick_numbers import TickNumbers
from dagster_project.lib.ticking import TickLoop
from tally.settings import Settings
from tally.stripe.mirror import SyncSummary
from tally.tracing import ledger_of


def run_loop(settings: Settings, stop: threading.Event) -> None:
    """Tick until `stop` is set; then report what is left to report.

    Raises:
        SchemaError: the database's schema is not this version's.
        SettingsError: traces are on, and a variable of OpenTelemetry is malformed.
    """
    reports = ReportQueue(_tell_dagster)

    def sync() -> None:
        from dagster_project.defs.resources import Tally
        from dagster_project.defs.stripe.assets import read_periods

        tally = Tally()
        with tally.connect() as connection:
            reports.synced(list(read_periods(tally, connection)))

    key = settings.stripe_api_key
    lookup = PeriodLookup(sync, stop) if key is not None and key.get_secret_value() else None
    reports.start()
    AlertWatch(settings, stop).start()
    try:
        TickLoop(ledger_of(settings), settings, lookup, reports, stop).run()
    finally:
        reports.close()


def _tell_dagster(numbers: TickNumbers, synced: Sequence[SyncSummary]) -> None:
    from dagster_project.loop_reports import tell_dagster

    tell_dagster(numbers, synced)
