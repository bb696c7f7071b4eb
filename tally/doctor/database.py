"""The database: does it answer, is it new enough, does it keep what it has acknowledged, has it room."""

from collections.abc import Iterator

import psycopg

from tally.database import connect, embedded
from tally.doctor.patient import Patient, secret
from tally.doctor.result import Result, ok, warning, wrong
from tally.errors import DatabaseUnavailable

CHECK = "database"
OLDEST_VERSION = 15
# A door holds up to eleven, a loop three, Dagster's processes and runs some ten each.
CONNECTIONS_NEEDED = 60
STATEMENT_SECONDS = 5
_MUST_BE_ON = {
    "fsync": "a crash of the machine loses what was acknowledged, or the whole database",
    "full_page_writes": "a crash of the machine may leave torn pages",
    "synchronous_commit": "a crash loses the push intents committed last, and what was sent is forgotten",
}
_SETTINGS = "select name, reset_val from pg_settings where name = any (%(names)s)"
_STANDING = """
select current_setting('server_version_num')::integer, current_setting('server_version'), pg_is_in_recovery(),
    (select count(*) from pg_stat_activity where backend_type = 'client backend'),
    current_setting('max_connections')::integer, pg_database_size(current_database())
"""


def open_database(patient: Patient) -> list[Result]:
    """Give the patient its connection, or say why there is none. An embedded server that is down stays down."""
    url = secret(patient.settings.database_url)
    if not url:
        server = embedded(patient.settings)
        if not (server.folder / "port").exists():
            found = f"no DATABASE_URL, and no embedded Postgres under {patient.settings.home} yet"
            return [wrong(CHECK, found, "`tally migrate` makes one; or set DATABASE_URL")]
        url = server.url()
    try:
        patient.connection = connect(url, autocommit=True)
        # Nothing that is looked at here can be changed, and nothing waits for long.
        patient.connection.execute("set default_transaction_read_only = on")
        patient.connection.execute(f"set statement_timeout = '{STATEMENT_SECONDS}s'")
    except DatabaseUnavailable as error:
        fix = "`tally up`, or any command, starts it" if patient.is_embedded else "start it, or mend DATABASE_URL"
        return [wrong(CHECK, str(error).partition("\n")[0].strip(), fix)]
    except (psycopg.Error, ValueError, UnicodeError):
        # Its own message would show the password.
        found = "DATABASE_URL is no connection string"
        return [wrong(CHECK, found, "write postgresql://user:password@host:5432/database")]
    return list(_examined(patient))


def _examined(patient: Patient) -> Iterator[Result]:
    [(number, version, in_recovery, connections, most, size)] = patient.rows(_STANDING)
    where = "embedded Postgres" if patient.is_embedded else "Postgres"
    found = f"{where} {version.split()[0]} answers; {size / 1e9:,.2f} GB, {connections} of {most} connections in use"
    if number < OLDEST_VERSION * 10000:
        yield wrong(CHECK, found, f"upgrade it to Postgres {OLDEST_VERSION} or newer")
    elif in_recovery:
        yield wrong(CHECK, f"{found}; it is a standby and takes no writes", "point DATABASE_URL at the primary")
    elif connections > most * 0.8:
        yield warning(CHECK, found, "raise max_connections, or find who holds them: pg_stat_activity")
    else:
        yield ok(CHECK, found)
    yield from _durability(patient, most)


def _durability(patient: Patient, most: int) -> Iterator[Result]:
    names = [*_MUST_BE_ON, "default_transaction_read_only"]
    values = dict(patient.rows(_SETTINGS, {"names": names}))
    faulty = {name: why for name, why in _MUST_BE_ON.items() if values.get(name) == "off"}
    for name, why in faulty.items():
        yield wrong("durability", f"{name} is off: {why}", f"alter system set {name} = on; select pg_reload_conf()")
    if values["default_transaction_read_only"] == "on":
        fix = "alter database … set default_transaction_read_only = off"
        yield wrong("durability", "default_transaction_read_only is on: nothing can be written", fix)
    if most < CONNECTIONS_NEEDED:
        found = f"max_connections is {most}; the stack uses up to {CONNECTIONS_NEEDED}"
        yield warning("durability", found, "alter system set max_connections = 200, then restart Postgres")
    if not faulty:
        yield ok("durability", f"{', '.join(_MUST_BE_ON)} are on")
