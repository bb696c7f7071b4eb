"""Shadow mode from the command line: the same counters in two accounts that share nothing; closed without its keys."""

from decimal import Decimal

import dagster as dg
import psycopg
import pytest
from shadow_shop import LIVE_KEY, NOW, SHADOW_KEY, ShadowShop, configuration

from dagster_project.defs.push.assets import PUSH_INTENTS, push_intents
from dagster_project.defs.resources import Tally
from dagster_project.materialize import Materializer
from tally.configuration import apply
from tally.settings import load_settings

BOTH = {"globex": Decimal("12.5"), "initech": Decimal(7)}


def pushed(shop: ShadowShop) -> None:
    assert shop.tally("sync").exit_code == 0
    for ref, value in BOTH.items():
        shop.count(ref, str(value))
    assert shop.tally("push").exit_code == 0


def test_two_accounts_are_told_the_same_and_share_nothing(shop: ShadowShop) -> None:
    pushed(shop)
    assert shop.applied(shop.live) == shop.applied(shop.shadow) == BOTH
    rows = shop.connection.execute(
        "select account, livemode, count(distinct identifier), array_agg(distinct event_name),"
        " array_agg(distinct stripe_customer_id) from tally.push_intents group by 1, 2 order by 1"
    ).fetchall()
    assert [row[:4] for row in rows] == [("self", True, 2, ["calls"]), ("shadow", False, 2, ["calls_shadow"])]
    assert not set(rows[0][4]) & set(rows[1][4])
    # The shadow's own periods, a day later, date no event and make no line of a reconciliation.
    assert shop.connection.execute(
        "select distinct extract(day from period_start)::int from tally.customer_periods"
    ).fetchall() == [(1,)]
    lines = shop.connection.execute("select distinct account, livemode from marts.reconciliation_lines").fetchall()
    assert lines == [("self", True)]


def test_the_report_says_per_counter_whether_the_shadow_agrees(shop: ShadowShop) -> None:
    assert "nothing was told" in shop.tally("shadow", "report").output
    pushed(shop)
    report = shop.tally("shadow", "report")
    assert report.exit_code == 0, report.output
    assert "LIVE mode" in report.output
    assert "SHADOW mode" in report.output
    assert "2 counters: 2 ok, 0 break, 0 missing" in report.output
    shop.shadow.send(shop.customers["shadow", "globex"], "calls_shadow", "0.001", NOW, "a foreign writer's")
    broken = shop.document("shadow", "report")
    assert not broken["passed"]
    verdicts = {line["customer_ref"]: (line["verdict"], line["shadow_stripe"]) for line in broken["parity"]["lines"]}
    assert verdicts == {"globex": ("break", "12.501"), "initech": ("ok", "7.0")}
    offline = shop.tally("shadow", "report", "--offline")
    assert offline.exit_code == 1
    assert "the live meter says 12.5, the shadow's 12.501" in offline.output


KEYS = [
    ({"STRIPE_SHADOW_API_KEY": "pk_test_x"}, "STRIPE_SHADOW_API_KEY does not start with sk_test_ or rk_test_"),
    ({"STRIPE_SHADOW_API_KEY": LIVE_KEY}, "STRIPE_SHADOW_API_KEY is a live key"),
    ({"STRIPE_SHADOW_API_KEY": None}, "STRIPE_SHADOW_API_KEY is not set"),
    ({"STRIPE_API_KEY": SHADOW_KEY, "STRIPE_SHADOW_API_KEY": SHADOW_KEY}, "STRIPE_API_KEY is a test key"),
]


def test_without_its_keys_a_shadow_pushes_nothing_and_says_so(
    shop: ShadowShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(shop)
    for number, (keys, reason) in enumerate(KEYS):
        for name, key in keys.items():
            monkeypatch.delenv(name) if key is None else monkeypatch.setenv(name, key)
        load_settings.cache_clear()
        shop.count("globex", str(20 + number))
        push = shop.tally("push")
        assert push.exit_code == 1
        assert f"SHADOW closed  shadow: {reason}" in push.output
        assert not any(key in push.output for key in (LIVE_KEY, SHADOW_KEY))
        assert shop.applied(shop.shadow) == BOTH
        # With a test key as the main one, live rows are left alone as well.
        assert shop.applied(shop.live)["globex"] == min(20 + number, 22)
        if number < 3:
            report = shop.document("shadow", "report")
            # What could not be read of the shadow is missing, and never taken to agree.
            assert [line["verdict"] for line in report["parity"]["lines"]] == ["break", "missing"]
            assert reason in report["closed"][0]["failure"]


def test_a_shadow_that_stripe_stops_holds_nothing_live_up(shop: ShadowShop) -> None:
    pushed(shop)
    shop.shadow.fail("unauthorized", contains="calls_shadow", count=None)
    shop.count("globex", "20")
    assert shop.tally("push").exit_code == 1
    shop.count("globex", "30")
    assert shop.tally("push").exit_code == 1  # the shadow stays stopped, and says so
    assert (shop.applied(shop.live)["globex"], shop.applied(shop.shadow)) == (30, BOTH)
    open_intents = "select account, count(*) from tally.push_intents where state <> 'confirmed' group by 1"
    assert shop.connection.execute(open_intents).fetchall() == [("shadow", 1)]


def test_taking_the_shadow_out_of_the_file_ends_it(shop: ShadowShop) -> None:
    pushed(shop)
    [change] = apply(shop.connection, configuration(shadow=False))
    assert str(change) == "~ shadow_mappings acme api_calls: active true -> false"
    shop.count("globex", "20")
    assert shop.tally("push").exit_code == 0
    assert (shop.applied(shop.live)["globex"], shop.applied(shop.shadow)["globex"]) == (20, Decimal("12.5"))
    assert "declares no shadow" in str(shop.tally("shadow", "report").exception)


def test_no_row_is_live_and_a_shadow(shop: ShadowShop) -> None:
    pushed(shop)
    shop.document("shadow", "report")
    for table in ("push_intents", "stripe_totals", "stripe_subscription_items"):
        with pytest.raises(psycopg.errors.CheckViolation, match="shadows_are_not_live"):
            shop.connection.execute(
                f"insert into tally.{table} select (jsonb_populate_record(kept, '{{\"livemode\": true}}')).*"
                f" from tally.{table} as kept where account = 'shadow'"
            )
    with pytest.raises(psycopg.errors.CheckViolation, match="price_mappings_are_no_shadows"):
        shop.connection.execute("update tally.price_mappings set account = 'shadow:acct_1'")


def dry_run() -> dict[str, object]:
    """What a push in Dagster would send, as its observation says it."""
    with dg.DagsterInstance.ephemeral() as instance:
        config = {"ops": {"tally__push_intents": {"config": {"dry_run": True}}}}
        dg.materialize([push_intents], instance=instance, resources={"tally": Tally()}, run_config=config)
        [observed] = instance.fetch_observations(PUSH_INTENTS, limit=5).records
    assert observed.asset_observation is not None
    return {name: value.value for name, value in observed.asset_observation.metadata.items()}


def test_dagster_pushes_both_accounts_and_warns_of_a_closed_one(
    shop: ShadowShop, materializer: Materializer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert materializer.run("sync").is_green
    shop.count("globex", "3")
    first = materializer.run("push").materialized["tally.push_intents"]
    told = [first[f"{side}differences confirmed"] for side in ("", "shadow ")]
    assert (told, first["shadow closed"]) == ([1, 1], "no")
    shop.count("globex", "4")
    said = dry_run()
    for side, mode, account in (("", "live", "self"), ("shadow ", "shadow", "shadow")):
        assert said[f"{side}differences that would be sent"] == 1
        assert f"| {mode} | {account} | globex | api_calls |" in str(said["would be sent"])
    monkeypatch.delenv("STRIPE_SHADOW_API_KEY")
    load_settings.cache_clear()
    said = dry_run()
    assert (said["differences that would be sent"], said["shadow differences that would be sent"]) == (1, 0)
    assert "STRIPE_SHADOW_API_KEY is not set" in str(said["shadow closed"])
    assert shop.applied(shop.shadow) == shop.applied(shop.live) == {"globex": Decimal(3)}
    run = materializer.run("push")
    second = run.materialized["tally.push_intents"]
    assert second["differences confirmed"] == 1
    assert "STRIPE_SHADOW_API_KEY is not set" in second["shadow closed"]
    assert [check.passed for check in run.checks if check.name == "nothing_waits_for_a_person"] == [False]
    assert (shop.applied(shop.live), shop.applied(shop.shadow)) == ({"globex": Decimal(4)}, {"globex": Decimal(3)})
