"""`tally stripe-sandbox`: the local Stripe alone, as a person starts and stops it."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import stripe
from typer.testing import CliRunner

from tally.cli.app import app
from tally.settings import load_settings


def test_it_starts_with_its_limits_answers_the_sdk_and_stops(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from tally.cli.app import main; main()",
        "stripe-sandbox",
        "--port",
        "0",
        "--json",
    ]
    limits = ["--lag", "0.5", "--rate-limit", "25", "--concurrency", "1", "--state", str(tmp_path / "stripe.sqlite")]
    environment = {**os.environ, "TALLY_HOME": str(tmp_path)}
    with subprocess.Popen([*command, *limits], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        assert started["settings"]["apply_lag_seconds"] == 0.5
        assert started["settings"]["rate_limit_per_second"] == 25
        for key in started["keys"].values():
            client = stripe.StripeClient(key, base_addresses={"api": started["url"]})
            assert client.v1.customers.create({"name": "Globex"}).livemode is ("_live_" in key)
        assert "Globex" in httpx.get(started["page"]).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(started["page"])
    assert (tmp_path / "stripe.sqlite").exists()


def test_a_taken_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_HOME", str(tmp_path))
    load_settings.cache_clear()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = CliRunner().invoke(app, ["stripe-sandbox", "--port", port])
    assert f"port {port} is taken" in str(refused.exception)
    load_settings.cache_clear()
