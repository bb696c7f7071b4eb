"""Where the dbt project is, and the environment its profile reads."""

from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

import tally
from tally.errors import SettingsError

PROJECT = Path(tally.__file__).resolve().parent.parent / "dbt_project"

# What a URL may carry beyond the profile's five; libpq, under dbt's driver too, reads these variables.
_LIBPQ_VARIABLES = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
    "application_name": "PGAPPNAME",
}
_PROFILE_PARAMETERS = {"host", "hostaddr", "port", "user", "password", "dbname", "connect_timeout"}


def database_environment(url: str) -> dict[str, str]:
    """The variables that the profile reads, for `url`.

    Raises:
        SettingsError: the URL has a parameter that dbt's connection cannot be given.
    """
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    if unknown := sorted(parts.keys() - _PROFILE_PARAMETERS - _LIBPQ_VARIABLES.keys()):
        raise SettingsError(f"DATABASE_URL: dbt cannot be given the parameter {', '.join(unknown)}; leave it out")
    return {
        "TALLY_DB_HOST": parts.get("host", "localhost"),
        "TALLY_DB_PORT": parts.get("port", "5432"),
        "TALLY_DB_USER": parts.get("user", "postgres"),
        "TALLY_DB_PASSWORD": parts.get("password", ""),
        "TALLY_DB_NAME": parts.get("dbname", "postgres"),
    } | {variable: parts[name] for name, variable in _LIBPQ_VARIABLES.items() if name in parts}


def dbt_environment(url: str, folder: Path) -> dict[str, str]:
    """The variables under which dbt runs against `url`, with its parse state and logs under `folder`."""
    return database_environment(url) | {
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(folder.resolve() / "target"),
        "DBT_LOG_PATH": str(folder.resolve() / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PGTZ": "UTC",
    }
