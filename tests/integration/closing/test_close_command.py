"""`tally close`, from events that land after the invoice is final to what the customer pays."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from closing_commands import at, close, set_clock
from closing_world import CLOSED, END, GRACE, NEXT_END, NOW, TENANT, World
from typer.testing import CliRunner

from tally.adjustments import approve, propose_late_adjustments
from tally.cli.app import app
from tally.configuration import Configuration, apply
from tally.ledger import Ledger


def land(world: World, key: str, quantity: int, landed_at: datetime) -> None:
    world.connection.execute(
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
        " values (%s, %s, 'globex', 'api_calls', %s, %s, %s)",
        (TENANT, key, quantity, min(landed_at, END) - timedelta(hours=1), landed_at),
    )


@pytest.mark.usefixtures("environment")
def test_from_late_events_to_the_bill(world: World, ledger: Ledger) -> None:
    set_clock(world, NOW)
    for key, quantity in (("a", 5), ("b", 7)):
        land(world, key, quantity, NOW - timedelta(hours=1))
    ledger.tick()
    close("run")
    at(world, END + 2 * GRACE)
    close("run")
    # After finalization: c in time for its counter, z too late for it.
    land(world, "c", 3, END + timedelta(hours=3))
    land(world, "z", 1, END + timedelta(hours=48, minutes=30))
    ledger.tick()
    at(world, CLOSED)
    [late] = propose_late_adjustments(world.connection, world.clock)
    assert [row["kind"] for row in close("plan")[0]["proposals"]] == ["invoice_item"]
    assert world.rests() == []
    assert len(close("run", code=1)[0]["decide"]) == 1
    [rest] = close("list", code=1)["rests"]
    assert (rest["from_quantity"], rest["to_quantity"], rest["state"]) == ("12", "15", "proposed")
    assert close("show", rest["rest_id"])["events"] == ["c"]
    assert close("approve", rest["rest_id"], "--by", "Ada", "--note", "[late]")["decided_by"] == "Ada"
    close("run")
    assert close("list")["wrong"] == []
    verdicts = world.connection.execute(
        "select integrity_verdict, delivery_verdict, business_verdict from marts.reconciliation_lines"
        " where metric = 'api_calls' and customer_ref = 'globex' and period_end = %s",
        (END,),
    ).fetchall()
    assert verdicts == [("ok", "ok", "ok")]  # what was settled after the invoice is no break
    # The late event is an adjustment's, in a period that is still open; nothing of it is in the rest.
    approve(world.connection, TENANT, late.adjustment_id, "Ada", world.clock)
    assert close("run")[0]["proposals"] == []
    at(world, NEXT_END + 2 * GRACE)
    close("run")
    assert world.billed() == world.worth("api_calls", 16)
    assert "15" in CliRunner().invoke(app, ["close", "list", "--all"]).output


def test_how_periods_are_closed_is_declared(world: World) -> None:
    meter = {"metric": "api_calls", "aggregation": "sum", "stripe": {"event_name": "api_calls"}}
    tenant: dict[str, Any] = {
        "id": TENANT,
        "name": "Acme",
        "meters": [meter | {"closing": {"late_usage": "write_off"}}],
    }
    tenant["closing"] = {"approval": "policy", "overbilled_usage": "credit_grant", "hold_share": "0.5"}
    declared = Configuration.model_validate({"tenants": [tenant]})
    assert [change.table for change in apply(world.connection, declared)] == ["tenants", "meters"]
    assert apply(world.connection, declared) == []
    world.finalized(100)
    world.count(130)
    world.run()
    world.count(90)
    world.run()
    assert world.rests() == [("credit_grant", -100, "done")]
