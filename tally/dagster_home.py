"""Dagster's home folder and storage, made ready before any Dagster process starts. Imports no Dagster."""

import shutil
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from tally.database import connect
from tally.errors import SettingsError
from tally.settings import Settings

SCHEMA = "dagster"
INSTANCE_FILE = Path(__file__).resolve().parent.parent / "deploy" / "dagster" / "dagster.yaml"


def prepare(settings: Settings, url: str) -> dict[str, str]:
    """Make `<TALLY_HOME>/dagster` and the schema `dagster` of the database at `url`; safe to repeat.

    Returns:
        The environment that every Dagster process needs on top of its own: where its home and its storage are, and
        the database itself, so that a run never starts an embedded server of its own.

    Raises:
        SettingsError: `url` is not a postgresql:// URL.
    """
    storage = storage_url(url)
    folder = settings.home.resolve() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(INSTANCE_FILE, folder / INSTANCE_FILE.name)
    with connect(url, autocommit=True) as connection:
        # Where the schema is there already, this role need not be one that may make it.
        if connection.execute("select to_regnamespace('dagster')").fetchone() == (None,):
            connection.execute("create schema if not exists dagster")
    return {
        "DAGSTER_HOME": str(folder),
        "TALLY_DAGSTER_URL": storage,
        "DATABASE_URL": url,
        "TALLY_HOME": str(settings.home.resolve()),
    }


def storage_url(url: str) -> str:
    """`url` with Dagster's tables in a schema of their own, whatever other options it carries.

    Raises:
        SettingsError: it is not a postgresql:// URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise SettingsError("DATABASE_URL: Dagster's storage needs a URL that starts with postgresql://")
    query = dict(parse_qsl(parts.query))
    query["options"] = f"{query.get('options', '')} -csearch_path={SCHEMA}".strip()
    return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(query, quote_via=quote), ""))
