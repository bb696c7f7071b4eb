"""`tally doctor`: finds each planted fault by its check, says how to mend it, and finds nothing where there is none."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Thread
from time import monotonic
from urllib.parse import urlsplit

import pytest
from stripe_side import TEST_KEY, StripeSide, local_stripe
from typer.testing import CliRunner

from tally.cli.app import app
from tally.database import connect
from tally.doctor import examine
from tally.doctor.result import Result

Environment = dict[str, str]
LIVE_KEY = "sk_" + "live_tally000000000000000"
NEEDS_A_HAND = {"loop", "dagster", "role", "grace", "webhooks"}


@contextmanager
def dates_off_by(off: timedelta, url: str) -> Iterator[str]:
    """An address that leads to `url` and shifts the Date of every answer, as a clock that is off sees it."""
    parts = urlsplit(url)
    assert parts.port is not None
    shifted = format_datetime(datetime.now(UTC) + off, usegmt=True).encode()

    def carry(reader: socket.socket, writer: socket.socket) -> None:
        with suppress(OSError):
            while data := reader.recv(65536):
                writer.sendall(re.sub(rb"(?i)(\r\ndate: )[^\r]+", rb"\g<1>" + shifted, data))
            writer.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                caller, _ = listener.accept()
                answerer = socket.create_connection((parts.hostname, parts.port))
                opened.extend((caller, answerer))
                for ends in ((caller, answerer), (answerer, caller)):
                    carriers.append(Thread(target=carry, args=ends))
                    carriers[-1].start()

    opened: list[socket.socket] = []
    carriers: list[Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        carriers.append(Thread(target=accept))
        carriers[0].start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for each in (listener, *opened):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for carrier in carriers:
            carrier.join()
        for each in opened:
            each.close()


@pytest.fixture(scope="module")
def stripe_side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeSide]:
    with local_stripe(tmp_path_factory.mktemp("stripe")) as side:
        yield side


@pytest.fixture
def environment(built_database_url: str, tmp_path: Path, stripe_side: StripeSide) -> Environment:
    """An installation whose database is built, with a metric that is mapped to Stripe."""
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation, lateness_window)"
            " values ('acme', 'calls', 'sum', '48 hours')"
        )
        connection.execute(
            "insert into tally.price_mappings (tenant_id, metric, event_name) values ('acme', 'calls', 'calls')"
        )
    return {
        "DATABASE_URL": built_database_url,
        "TALLY_HOME": str(tmp_path),
        "STRIPE_API_KEY": TEST_KEY,
        "STRIPE_API_BASE": stripe_side.url,
    }


def of(results: list[Result], check: str, state: str) -> list[str]:
    return [each.found for each in results if (each.check, each.state) == (check, state)]


def test_a_sound_installation_has_nothing_wrong(environment: Environment) -> None:
    results = examine(environment)
    # The test server itself is told to forget: tests kill servers of their own.
    assert {each.check for each in results if each.state == "wrong"} == {"durability"}
    assert {each.check for each in results if each.state == "warning"} == NEEDS_A_HAND
    assert [each.check for each in results if each.state != "ok" and not each.fix] == []
    assert {each.check for each in results} == NEEDS_A_HAND | {
        "settings", "database", "durability", "migrations", "models", "transactions", "clock", "stripe", "disk",
        "telemetry",
    }  # fmt: skip
    [found] = of(results, "grace", "warning")
    assert "final 1 h after a period (Stripe's default" in found
    assert "acme/calls 48 h" in found


# Each is found by its check, in these words. Planted together: none hides another.
IN_THE_DATABASE = [
    ("insert into tally_schema.migrations values ('9999_later', 'x')", "migrations", "9999_later are not known"),
    ("delete from tally_schema.migrations where name like '0025%'", "migrations", "pending: 0025_"),
    ("update tally_schema.migrations set checksum = 'x' where name like '0003%'", "migrations", "0003_stripe_mirror"),
    ("alter table ledger.int_usage_counters add column more text", "models", "int_usage_counters has other columns"),
    ("drop view marts.reconciliation_lines cascade", "models", "not built: marts.reconciliation_lines"),
    ("update tally.model_bounds set system_identifier = '42'", "models", "cluster 42"),
    (
        "insert into tally.loop_heartbeat (process, started_at, beat_at, ticks, ticks_last_minute, failures)"
        " values ('host:1', now(), now(), 3, 0, 0)",
        "loop",
        "host:1 died",
    ),
    (
        "insert into tally.push_accounts (account, livemode) values ('self', true)",
        "stripe",
        "self: the key is a test key, and this database has pushed in live mode",
    ),
]
IN_THE_ENVIRONMENT = [
    ("TALLY_DOOR_PORT", "eighty", "settings", "TALLY_DOOR_PORT: Input should be a valid integer"),
    ("STRIPE_API_KEY", LIVE_KEY, "stripe", "a live key goes to another address"),
    ("STRIPE_API_KEY", "topsecret", "stripe", "does not start with sk_live_"),
    ("STRIPE_SHADOW_API_KEY", LIVE_KEY, "stripe", "is a live key, and a shadow may bill nobody"),
    ("STRIPE_WEBHOOK_SECRETS", "self:nonsense:whsec_topsecret", "webhooks", "entry 1: the mode is neither live nor"),
]


def test_each_fault_of_the_database_is_found_by_its_check(environment: Environment) -> None:
    with connect(environment["DATABASE_URL"], autocommit=True) as connection:
        for statement, _, _ in IN_THE_DATABASE:
            connection.execute(statement.encode())
    results = examine(environment, offline=True)
    for _, check, said in IN_THE_DATABASE:
        assert any(said in found for found in of(results, check, "wrong")), said
    wrong = [each for each in results if each.state == "wrong" and each.check != "durability"]
    assert len(wrong) == len(IN_THE_DATABASE)


@pytest.mark.parametrize(("name", "value", "check", "said"), IN_THE_ENVIRONMENT)
def test_each_fault_of_the_environment_is_found_by_its_check(
    name: str, value: str, check: str, said: str, stripe_side: StripeSide, tmp_path: Path
) -> None:
    environment = {"TALLY_HOME": str(tmp_path), "STRIPE_API_KEY": TEST_KEY, "STRIPE_API_BASE": stripe_side.url}
    results = examine(environment | {name: value}, offline=True)
    assert said in of(results, check, "wrong")[0]
    assert {each.check for each in results if each.state == "wrong"} == {check, "database"}
    assert not any(secret in str(results) for secret in (TEST_KEY, LIVE_KEY, "topsecret"))


def test_what_stripe_says_is_judged(stripe_side: StripeSide, tmp_path: Path) -> None:
    """A clock that is off, a restricted key that may not read, a refused one, and no answer at all."""
    environment = {"TALLY_HOME": str(tmp_path), "STRIPE_API_KEY": TEST_KEY, "STRIPE_API_BASE": stripe_side.url}
    assert of(examine(environment), "clock", "ok") == ["this machine and Stripe are less than a second apart"]
    with dates_off_by(timedelta(minutes=-6), stripe_side.url) as shifted:
        [found] = of(examine(environment | {"STRIPE_API_BASE": shifted}), "clock", "wrong")
        assert re.fullmatch(r"this machine and Stripe are 3[56]\d s apart", found)
    stripe_side.fail("forbidden", method="GET", path="/v1/invoices", count=None)
    restricted = examine(environment | {"STRIPE_API_KEY": TEST_KEY.replace("sk_", "rk_")})
    assert "the restricted key may not read invoices" in of(restricted, "stripe", "wrong")[0]
    stripe_side.heal()
    stripe_side.fail("unauthorized", method="GET", path="/v1/billing/meters", count=None)
    assert "Stripe does not know the key" in of(examine(environment), "stripe", "wrong")[0]
    stripe_side.heal()
    nobody = environment | {"STRIPE_API_BASE": "http://127.0.0.1:9"}
    assert "no answer" in of(examine(nobody), "stripe", "wrong")[0]
    assert of(examine(nobody, offline=True), "stripe", "wrong") == []


def test_a_write_transaction_that_stays_open_is_named(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(state: str) -> list[str]:
        return of(examine(environment, offline=True), "transactions", state)

    with connect(environment["DATABASE_URL"]) as writer:
        writer.execute("set application_name = 'nightly import'")
        writer.execute("select pg_current_xact_id()")
        assert found("ok") != []
        monkeypatch.setattr("tally.doctor.transactions.DOUBTFUL", timedelta(0))
        assert "(nightly import); the ledger counts nothing" in found("warning")[0]
        monkeypatch.setattr("tally.doctor.transactions.TICK_LAG_LIMIT", timedelta(0))
        assert "(nightly import); the ledger counts nothing" in found("wrong")[0]


def test_it_works_with_no_database_and_ends_with_one_that_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://tally:hunter2@127.0.0.1:{silent.getsockname()[1]}/tally"
        began = monotonic()
        results = examine({"DATABASE_URL": url, "TALLY_HOME": str(tmp_path)}, offline=True, check_seconds=1.0)
        assert monotonic() - began < 5
    assert of(results, "database", "wrong") == ["no answer within 1 s"]
    assert {each.check for each in results} == {"settings", "database", "stripe", "webhooks", "disk", "telemetry"}
    for given in ({"DATABASE_URL": "postgresql//tally:hunter2@localhost"}, {}):
        results = examine({**given, "TALLY_HOME": str(tmp_path)}, offline=True)
        assert len(of(results, "database", "wrong")) == 1
        assert "hunter2" not in str(results)
    assert list(tmp_path.iterdir()) == []


def test_the_command_exits_1_when_something_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    ran = CliRunner().invoke(app, ["doctor", "--offline", "--json"])
    assert ran.exit_code == 1
    document = json.loads(ran.stdout)
    assert document["wrong"] == 1
    assert {each["check"] for each in document["results"] if each["state"] == "wrong"} == {"database"}
    assert "no embedded Postgres" in CliRunner().invoke(app, ["doctor", "--offline"]).stdout
