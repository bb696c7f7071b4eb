"""A tenant that is billed live and shadowed in a test account of the same local Stripe; nothing counted yet."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import httpx
import pytest
from shadow_shop import LIVE_KEY, SHADOW_KEY, START, ShadowShop, configuration
from stripe_side import StripeSide

from dagster_project.materialize import Materializer
from stripe_sandbox.server import SandboxServer
from tally import dagster_home
from tally.configuration import apply
from tally.database import connect
from tally.settings import Settings, load_settings
from tally.stripe.account import open_account


@pytest.fixture
def shop(built_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShadowShop]:
    """Both accounts have the customers and meters, under names and in periods of their own."""
    offset = START.timestamp() - time.time()
    sandbox = {"apply_lag_seconds": 0.0, "clock_offset_seconds": offset}
    with SandboxServer(settings=sandbox) as server, connect(built_database_url, autocommit=True) as connection:
        given = {
            "DATABASE_URL": built_database_url,
            "TALLY_HOME": str(tmp_path),
            "TALLY_CLOCK": "simulated",
            "STRIPE_API_KEY": LIVE_KEY,
            "STRIPE_SHADOW_API_KEY": SHADOW_KEY,
            "STRIPE_API_BASE": server.url,
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        load_settings.cache_clear()
        settings = Settings.model_validate(given)
        apply(connection, configuration())
        with httpx.Client(base_url=server.url) as control:
            sides = [StripeSide(server.url, open_account(settings, name), control) for name in ("self", "shadow")]
            shop = ShadowShop(connection, settings, *sides)
            shop.open()
            yield shop
            for side in sides:
                side.account.close()
    load_settings.cache_clear()


@pytest.fixture
def materializer(shop: ShadowShop, built_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Materializer]:
    """Runs Dagster's jobs over the shop, on an instance in memory."""
    for name, value in dagster_home.prepare(shop.settings, built_database_url).items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    with dg.DagsterInstance.ephemeral() as instance, Materializer(instance) as opened:
        yield opened
