"""The pages, in headless Chromium: what a person sees is there, and nothing is asked of the outside."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import psycopg
import pytest
import stripe
from cloned_database import Clone

from stripe_sandbox.server import SandboxServer
from tally.billing_health import billing_health
from tally.clock import FixedClock, clock_for
from tally.database import connect
from tally.page_addresses import pages_url
from tally.reports import make_report, write_report
from tally.services import Service, Stack, python_module
from tally.settings import Settings
from tally.stack import dagster_command, pages_service, stack_environment

pytestmark = pytest.mark.browser
MARCH = (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))


@pytest.fixture
def rendered(tmp_path: Path) -> Callable[[str], str]:
    """The page at an address, as Chromium has it once its scripts ran."""
    chromium = shutil.which("chromium")
    assert chromium, "these tests need the chromium command"

    def render(url: str) -> str:
        flags = (
            "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
            "--disable-component-update --disable-sync --virtual-time-budget=20000 --dump-dom"
        )
        command = [chromium, *flags.split(), f"--user-data-dir={tmp_path / 'chromium'}", url]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return render


def test_the_report_shows_its_verdict_and_loads_nothing(
    built_database_url: str, tmp_path: Path, rendered: Callable[[str], str]
) -> None:
    with psycopg.connect(built_database_url, autocommit=True) as connection:
        read_stripes_march(connection)
        make_report(connection, "acme", FixedClock(MARCH[1]), MARCH)
        connection.execute("update tally.stripe_totals set summary_quantity = 57.25")
        files = write_report(make_report(connection, "acme", FixedClock(MARCH[1]), MARCH), tmp_path)
    page = rendered(files.html.as_uri())
    assert "What changed since run" in page
    assert len(re.findall(r'<svg [^>]*role="img" aria-label="[^"]+"', page)) == 2  # verdicts, and the drift of calls
    assert "57.25" in page
    assert "Acme &lt;b&gt;&amp; Söhne&lt;/b&gt;" in page
    assert "globex" in page
    assert "41.5" in page
    assert re.findall(r'(?:src|href)="(https?:[^"]+)"', page) == []


def test_the_doors_contract_is_readable_offline(door_url: str, rendered: Callable[[str], str]) -> None:
    page = rendered(f"{door_url}/docs")
    assert "/v1/events" in page
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', page)
    assert [url for url in loaded if not url.startswith(door_url)] == []


def test_the_dagster_ui_shows_the_lineage_in_order_and_answers_whether_billing_is_healthy(
    stack_urls: dict[str, str], rendered: Callable[[str], str]
) -> None:
    stages = ("0_health", "2_landing", "4_ledger", "6_push", "7_stripe_totals", "8_reconciliation", "9_closing")
    page = rendered(f"{stack_urls['dagster']}/asset-groups")
    assert list(stages) == sorted(stages, key=page.index)
    group = rendered(f"{stack_urls['dagster']}/locations/dagster_project.definitions/asset-groups/6_push/list")
    assert "push_intents" in group
    health = rendered(f"{stack_urls['dagster']}/assets/billing/health")
    assert "Is billing healthy?" in health
    assert stack_urls["answer"] in health  # as it was looked up
    assert "Unsynced" not in health
    checks = rendered(f"{stack_urls['dagster']}/assets/billing/health?view=checks")
    claims = ("1_what_landed_is_counted", "2_what_is_counted_is_sent", "3_totals_agree", "4_ended_periods_are_closed")
    assert [name for name in claims if name not in checks] == []


def test_the_local_stripes_page_filters_by_customer_as_one_types(
    tmp_path: Path, rendered: Callable[[str], str]
) -> None:
    with SandboxServer() as server:
        client = stripe.StripeClient("sk_test_pages", base_addresses={"api": server.url})
        for name in ("Delta Air Lines", "United Air Lines"):
            client.v1.customers.create({"name": name})
        page = httpx.get(f"{server.url}/_sandbox").text
        assert "Delta" in rendered(f"{server.url}/_sandbox")
    typed = "search.value = 'DELTA'; search.dispatchEvent(new Event('input'));"
    saved = tmp_path / "page.html"
    saved.write_text(page.replace("</script>", f"{typed}</script>"))
    shown = rendered(saved.as_uri())
    rows = re.findall(r'<tbody data-label="([^"]+)"( hidden="")?>', shown)
    assert {label.split()[0]: bool(hidden) for label, hidden in rows} == {"Delta": False, "United": True}
    assert "1 of 2 match" in shown


def test_dagsters_links_open_the_report_and_the_dbt_docs(
    stack_urls: dict[str, str], rendered: Callable[[str], str]
) -> None:
    def linked(asset: str, ending: str) -> str:
        """The page behind the one link of the asset's page that ends so, as it is shown: without its scripts."""
        shown = rendered(f"{stack_urls['dagster']}/assets/{asset}")
        links = set(re.findall(rf'href="({stack_urls["pages"]}/[^"]*{re.escape(ending)})"', shown))
        assert len(links) == 1, links
        return re.sub(r"<script.*?</script>", "", rendered(*links), flags=re.DOTALL)

    report = linked("reports/reconciliation_report", "/acme/2024-03-01.html")
    assert "Acme &lt;b&gt;&amp; Söhne&lt;/b&gt;, March 2024" in report
    docs = linked("marts/usage_counters", "#!/model/model.tallyledger.usage_counters")
    assert "One row per tenant, customer, metric and billing period" in docs


def read_stripes_march(connection: psycopg.Connection) -> None:
    """A tenant of whom Stripe has read a total that nobody counted."""
    connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme <b>& Söhne</b>')")
    connection.execute("insert into tally.meters values ('acme', 'calls', 'sum', 'call')")
    connection.execute(
        "insert into tally.stripe_totals (tenant_id, account, livemode, customer_ref, metric, period_start,"
        " period_end, summary_quantity) values ('acme', 'self', false, 'globex', 'calls', %s, %s, %s)",
        (*MARCH, Decimal("41.5")),
    )


@pytest.fixture
def door_url(built_database_url: str, tmp_path: Path, free_port: int) -> Iterator[str]:
    """A door of its own."""
    environment = {"DATABASE_URL": built_database_url, "TALLY_DOOR_PORT": str(free_port)}
    with Stack(tmp_path / "logs", environment) as stack:
        url = f"http://127.0.0.1:{free_port}"
        stack.start(Service("door", python_module("ingest"), f"{url}/health/ready"))
        yield url


@pytest.fixture(scope="module")
def stack_urls(
    clone: Clone, built_template: str, dbt_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Dagster's webserver and the pages, on a database with a month to report, where health was looked at once."""
    home = tmp_path_factory.mktemp("pages")
    (home / "dbt").symlink_to(dbt_folder)
    url = clone(built_template, "pages")
    with connect(url, autocommit=True) as connection:
        read_stripes_march(connection)
    ports = {"TALLY_DAGSTER_PORT": free(), "TALLY_PAGES_PORT": free()}
    settings = Settings.model_validate({"DATABASE_URL": url, "TALLY_HOME": home, **ports})
    environment = stack_environment(settings) | {name: str(port) for name, port in ports.items()}
    dagster = f"http://127.0.0.1:{settings.dagster_port}"
    with Stack(home / "logs", environment) as stack:
        webserver = Service("dagster-webserver", dagster_command(settings, "webserver"), f"{dagster}/server_info")
        stack.start(webserver, pages_service(settings))
        look = [sys.executable, str(Path(__file__).with_name("materialized_for_pages.py"))]
        subprocess.run(look, env={**os.environ, **environment}, check=True, timeout=120, capture_output=True)
        with connect(url, autocommit=True) as connection:
            answer = billing_health(connection, settings, clock_for(settings, connection)).answer
        yield {"dagster": dagster, "pages": pages_url(settings), "answer": answer}


def free() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
