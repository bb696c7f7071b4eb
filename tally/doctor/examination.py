"""All checks in turn. One that cannot run, or takes too long, says so and keeps none of the others from running."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from threading import Thread

import psycopg
import stripe

from tally.doctor.database import open_database
from tally.doctor.grace import grace
from tally.doctor.machine import clocks, disk, telemetry
from tally.doctor.patient import Patient
from tally.doctor.privileges import privileges
from tally.doctor.processes import dagster, loop
from tally.doctor.result import Result, warning, wrong
from tally.doctor.schema import ledger_models, migrations
from tally.doctor.settings import read_settings
from tally.doctor.stripe_keys import stripe_keys
from tally.doctor.transactions import transactions
from tally.doctor.webhooks import webhooks
from tally.errors import TallyError

Check = Callable[[Patient], Iterable[Result]]
# Longer than any connection or statement may take that a check makes.
CHECK_SECONDS = 20.0
# Those that make no sense without a database, in the order in which a fault of one explains the next one's.
OF_THE_DATABASE: Mapping[str, Check] = {
    "role": privileges,
    "migrations": migrations,
    "models": ledger_models,
    "transactions": transactions,
    "clock": clocks,
    "loop": loop,
    "dagster": dagster,
    "grace": grace,
}
OF_ANYTHING: Mapping[str, Check] = {
    "stripe": stripe_keys,
    "webhooks": webhooks,
    "disk": disk,
    "telemetry": telemetry,
}
_EXPECTED = (TallyError, psycopg.Error, stripe.StripeError, OSError)


def examine(
    environment: Mapping[str, str], *, offline: bool = False, check_seconds: float = CHECK_SECONDS
) -> list[Result]:
    """What is well, doubtful and wrong, in a fixed order. Writes nothing, and starts nothing.

    `offline`: Stripe is not asked. No secret is in what is returned.
    """
    settings, results = read_settings(environment)
    patient = Patient(settings, environment, asks_stripe=not offline)
    try:
        results += _in_time("database", open_database, patient, check_seconds)
        if patient.connection is not None:
            for name, check in OF_THE_DATABASE.items():
                results += _in_time(name, check, patient, check_seconds)
        for name, check in OF_ANYTHING.items():
            results += _in_time(name, check, patient, check_seconds)
    finally:
        if patient.connection is not None:
            patient.connection.close()
    return [
        Result(each.check, each.state, patient.without_secrets(each.found), patient.without_secrets(each.fix))
        for each in results
    ]


def _in_time(name: str, check: Check, patient: Patient, seconds: float) -> Iterator[Result]:
    done: Future[list[Result]] = Future()

    def run() -> None:
        try:
            done.set_result(list(check(patient)))
        except Exception as error:  # noqa: BLE001 handed on to whoever waits
            done.set_exception(error)

    if patient.connection is None and name in OF_THE_DATABASE:
        return  # lost while an earlier one ran
    # A daemon: what never answers does not keep the process from ending.
    Thread(target=run, name=f"doctor: {name}", daemon=True).start()
    try:
        yield from done.result(seconds)
    except TimeoutError:
        # Whatever it waits for may hold the connection for ever.
        patient.connection = None
        yield wrong(name, f"no answer within {seconds:g} s", "the database or the network hangs: look there first")
    except _EXPECTED as error:
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        yield warning(name, f"could not be checked: {said}", _why(error))


def _why(error: BaseException) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "run the doctor as tally_reader, tally_dagster or tally_admin too"
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedFunction):
        return "the schema is behind: `tally migrate`"
    return "mend what is wrong above, then ask again"
