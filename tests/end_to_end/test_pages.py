"""The pages, in headless Chromium: what a person sees is there, and nothing is asked of the outside."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import psycopg
import pytest
import stripe

from stripe_sandbox.server import SandboxServer
from tally.clock import FixedClock
from tally.reports import make_report, write_report
from tally.services import Service, Stack, python_module
from tally.settings import Settings
from tally.stack import dagster_command, stack_environment

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
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme <b>& Söhne</b>')")
        connection.execute("insert into tally.meters values ('acme', 'calls', 'sum', 'call')")
        connection.execute(
            "insert into tally.stripe_totals (tenant_id, account, livemode, customer_ref, metric, period_start,"
            " period_end, summary_quantity) values ('acme', 'self', false, 'globex', 'calls', %s, %s, %s)",
            (*MARCH, Decimal("41.5")),
        )
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
    assert "No tenant is declared yet" in health  # the answer, as it was looked up
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


@pytest.fixture
def door_url(built_database_url: str, tmp_path: Path, free_port: int) -> Iterator[str]:
    """A door of its own."""
    environment = {"DATABASE_URL": built_database_url, "TALLY_DOOR_PORT": str(free_port)}
    with Stack(tmp_path / "logs", environment) as stack:
        url = f"http://127.0.0.1:{free_port}"
        stack.start(Service("door", python_module("ingest"), f"{url}/health/ready"))
        yield url


@pytest.fixture
def stack_urls(built_database_url: str, tmp_path: Path, free_port: int) -> Iterator[dict[str, str]]:
    """Dagster's webserver on a built database whose health was looked at once."""
    given = {"DATABASE_URL": built_database_url, "TALLY_HOME": tmp_path, "TALLY_DAGSTER_PORT": free_port}
    settings = Settings.model_validate(given)
    url = f"http://127.0.0.1:{free_port}"
    environment = stack_environment(settings)
    with Stack(tmp_path / "logs", environment) as stack:
        stack.start(Service("dagster-webserver", dagster_command(settings, "webserver"), f"{url}/server_info"))
        look = python_module("dagster_project.materialize", "check_health")
        subprocess.run(look, env={**os.environ, **environment}, check=True, timeout=90, capture_output=True)
        yield {"dagster": url}
