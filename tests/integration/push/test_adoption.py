"""An older copy of the database takes over what only Stripe knows, and then sends what is missing, once."""

import json
from decimal import Decimal

import pytest
from push_billing import TENANT, Billing
from stripe_side import TEST_KEY
from typer.testing import CliRunner

from tally.cli.app import app
from tally.push import adopt
from tally.push.accounts import stop_all
from tally.push.adoption import PusherAtWork
from tally.settings import load_settings

_TABLES = ("tally.push_attempts", "tally.push_intents")


def back_up(billing: Billing) -> None:
    for table in _TABLES:
        billing.connection.execute(f"create table saved_{table.partition('.')[2]} as select * from {table}")


def restore(billing: Billing) -> None:
    """The push ledger as it was, as from an older backup."""
    for table in _TABLES:
        billing.connection.execute(f"delete from {table}")
    for table in reversed(_TABLES):
        billing.connection.execute(f"insert into {table} select * from saved_{table.partition('.')[2]}")
    stop_all(billing.connection, "restored from a backup")


def test_what_was_pushed_after_the_backup_is_not_pushed_again(billing: Billing) -> None:
    billing.count("globex", "api_calls", "10")
    billing.push()
    billing.count("initech", "api_calls", "3")
    billing.plan()
    back_up(billing)
    billing.deliver()
    billing.count("globex", "api_calls", "25")
    billing.count("umbrella", "peak_load", "-4")
    billing.push()
    billing.stripe.until_applied()
    restore(billing)
    assert billing.push().stopped == "restored from a backup"

    shown = adopt(billing.connection, billing.account, TENANT, billing.clock, "", dry_run=True)
    differences = {(line.customer_ref, line.metric): line.difference for line in shown.lines}
    assert differences == {("globex", "api_calls"): 15, ("initech", "api_calls"): 3, ("umbrella", "peak_load"): -4}
    assert "missing" not in billing.states()
    done = adopt(billing.connection, billing.account, TENANT, billing.clock, "Ada, restored", dry_run=False)
    assert (done.lines, done.differences, done.counters) == (shown.lines, 3, 6)
    assert adopt(billing.connection, billing.account, TENANT, billing.clock, "", dry_run=True).lines == ()
    assert billing.one("select count(*) from tally.push_intents where confirmed_by = 'operator'") == 3
    assert "Ada, restored" in billing.one("select max(last_error) from tally.push_intents")

    billing.connection.execute("update tally.push_accounts set stopped_at = null, stopped_because = null")
    billing.count("globex", "api_calls", "26")
    [planned] = billing.plan().planned
    assert planned.value == Decimal(1)
    assert billing.deliver().attempts == {"accepted": 1}  # under an identifier that Stripe has never seen
    assert billing.applied("globex", "api_calls") == 26
    assert set(billing.stripe.arrivals().values()) == {1}


def test_nothing_is_taken_over_while_a_push_is_on_its_way(billing: Billing) -> None:
    billing.count("globex", "api_calls", "10")
    billing.plan()
    billing.connection.execute(
        "update tally.push_intents set state = 'sending', lease_until = clock_timestamp() + interval '1 minute'"
    )
    with pytest.raises(PusherAtWork, match="stop every pusher"):
        adopt(billing.connection, billing.account, TENANT, billing.clock, "", dry_run=True)


def test_a_total_that_cannot_be_read_is_not_zero(billing: Billing) -> None:
    billing.count("globex", "api_calls", "10")
    billing.push()
    billing.stripe.fail("fail_500", method="GET", path="/v1/billing/meters/*", count=None)
    found = adopt(billing.connection, billing.account, TENANT, billing.clock, "Ada", dry_run=False)
    assert {line.difference for line in found.lines} == {None}
    assert all(line.unread for line in found.lines)
    assert billing.states() == ["confirmed"]


def test_the_commands_show_take_over_and_resume(
    billing: Billing, built_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    billing.stripe.send(billing.customers["globex"], "api_calls", "7", billing.clock.at, "of a lost ledger")
    billing.stripe.until_applied()
    billing.count("globex", "api_calls", "7")
    billing.plan()
    stop_all(billing.connection, "restored from a backup")
    billing.connection.execute("insert into tally.simulated_clock (now) values (%s)", (billing.clock.at,))
    given = {
        "DATABASE_URL": built_database_url,
        "STRIPE_API_KEY": TEST_KEY,
        "STRIPE_API_BASE": billing.stripe.url,
        "TALLY_CLOCK": "simulated",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()

    def tally(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        return result.exit_code, result.stdout

    code, shown = tally("push", "adopt", "--json")
    assert (code, [line["difference"] for line in json.loads(shown)[0]["lines"]]) == (1, ["7"])
    assert tally("push", "adopt", "--apply", "--reason", "Ada")[0] == 0
    code, said = tally("push", "--dry-run")
    assert (code, "stopped since" in said, "restored from a backup" in said) == (1, True, True)
    assert tally("push", "resume") == (0, "Stripe account self: resumed\n")
    code, done = tally("push", "--json")
    assert (code, json.loads(done)[0]["standing"]) == (0, None)
    assert billing.states() == ["cancelled", "confirmed"]
    load_settings.cache_clear()
