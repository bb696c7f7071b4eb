"""Where people open what is written under TALLY_HOME/reports: the addresses at which `python -m pages` serves it."""

from pathlib import Path
from urllib.parse import quote

from tally.settings import Settings

DBT_DOCS = "dbt_docs.html"


def reports_folder(settings: Settings) -> Path:
    """The folder of every page and table that is written; made by the first of them."""
    return settings.home.resolve() / "reports"


def pages_url(settings: Settings) -> str:
    """The service's own address, without a slash at its end: TALLY_PAGES_URL, else where it binds."""
    return (settings.pages_url or f"http://{settings.pages_host}:{settings.pages_port}").rstrip("/")


def address_of(settings: Settings, file: Path) -> str:
    """The address of a file under `reports_folder`.

    Raises:
        ValueError: it lies elsewhere, where nobody serves it.
    """
    return f"{pages_url(settings)}/reports/{quote(file.resolve().relative_to(reports_folder(settings)).as_posix())}"


def dbt_docs_url(settings: Settings, model: str | None = None) -> str:
    """dbt's documentation, or its page on one model, by dbt's unique id (`model.tallyledger.usage_counters`)."""
    page = address_of(settings, reports_folder(settings) / DBT_DOCS)
    return f"{page}#!/model/{quote(model)}" if model else page
