"""Whatever a closed counter does, whoever decides and however Stripe answers: what is billed is what an oracle says."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from closing_world import TENANT, World
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_closing_crashes import settle, starting_over

from tally.closing import approve, list_rests, reject

Decision = Literal["approve", "reject", "write_off"]
VALUES = st.decimals(-50, 900, allow_nan=False, places=1)
DECISIONS = st.sampled_from(["approve", "approve", "reject", "write_off"])
TROUBLE = st.sampled_from([None, None, "drop", "apply_then_500", "conflict", "fail_500"])


@dataclass
class Oracle:
    """The bill, what nobody will be asked for, and what nobody gets back; all in minor units."""

    billed: int
    waived: int = 0
    kept: int = 0

    def moved(self, worth: int, decision: Decision) -> None:
        owed = worth - self.billed - self.waived
        owned = self.billed - worth - self.kept
        if owed > 0 and decision == "approve":
            self.billed += owed
        elif owed > 0:
            self.waived += owed
        elif owned > 0 and decision == "reject":
            self.kept += owned
        elif owned > 0:
            self.billed -= owned


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(steps=st.lists(st.tuples(VALUES, DECISIONS, TROUBLE), min_size=1, max_size=4))
def test_what_is_billed_is_the_price_of_the_counter_less_what_people_gave_away(
    world: World, steps: list[tuple[Decimal, Decision, str | None]]
) -> None:
    if not world.one("select count(*) from tally.stripe_totals where invoice_status = 'open'"):
        world.finalized("300.5", "storage")
        starting_over(world)
    oracle = Oracle(world.worth("storage", "300.5"))
    world.stripe.control.post("/_sandbox/restore").raise_for_status()
    for table in ("closing_rest_events", "closing_attempts", "closing_rests"):
        world.connection.execute(f"delete from tally.{table}")
    for value, decision, trouble in steps:
        world.count(value, "storage")
        settle(world)
        for rest in list_rests(world.connection, TENANT, ["proposed"]):
            if decision == "reject":
                reject(world.connection, TENANT, rest.rest_id, "Ada", world.clock)
            else:
                kind = "write_off" if decision == "write_off" and rest.amount_minor > 0 else None
                approve(world.connection, TENANT, rest.rest_id, "Ada", world.clock, kind=kind)  # type: ignore[arg-type]
        if trouble is not None:
            world.stripe.fail(trouble, path="/v1/*", method="POST")
        settle(world)
        world.stripe.heal()
        world.connection.execute("update tally.closing_rests set lease_until = null")
        settle(world)
        oracle.moved(world.worth("storage", value), decision)
        assert world.billed() == oracle.billed, steps
    assert not list_rests(world.connection, TENANT, ["proposed", "approved", "sending", "refused"])
