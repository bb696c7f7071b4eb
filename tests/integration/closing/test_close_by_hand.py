"""A person holds a draft, lets it go and rejects a rest, by the commands; the runbook's queries tell the story."""

import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from closing_commands import at, close, set_clock, tally
from closing_world import CLOSED, END, NOW, TENANT, World
from psycopg.rows import dict_row
from typer.testing import CliRunner

from tally.cli.app import app
from tally.closing import ClosingRefused, NoSuchHold

_SECTION = re.compile(r"^## Closing a period\n(.*?)^## ", re.DOTALL | re.MULTILINE)
# The runbook speaks of the demo's tenant; the test of its own.
_NAMES = {"'newark'": f"'{TENANT}'", "'UA'": "'globex'", "'departures'": "'api_calls'"}


def runbook(language: str) -> str:
    """The block of this language in the runbook's closing section, about this test's counter."""
    page = Path(__file__).parents[3].joinpath("RECONCILIATION.md").read_text()
    section = _SECTION.search(page)
    assert section is not None
    [block] = re.findall(rf"```{language}\n(.*?)```", section[1], re.DOTALL)
    for theirs, ours in _NAMES.items():
        block = block.replace(theirs, ours)
    return str(block)


def draft_of(world: World) -> str:
    drafts = world.api.v1.invoices.list({"customer": world.customers["globex"], "status": "draft"}).data
    return str(drafts[0].id)


@pytest.mark.usefixtures("environment")
def test_hold_release_and_reject(world: World) -> None:
    set_clock(world, NOW)
    world.count(50)
    close("run")
    at(world, END + timedelta(minutes=10))
    close("run")
    draft = draft_of(world)
    held = close("hold", draft, "--by", "Ada", "--reason", "[red] flag")
    assert (held["state"], held["held_by"], held["reason"]) == ("held", "Ada", "[red] flag")
    assert not world.api.v1.invoices.retrieve(draft).auto_advance
    with pytest.raises(NoSuchHold, match="held already"):
        tally("close", "hold", draft, "--by", "Bob", "--reason", "again")
    at(world, END + timedelta(days=2))
    assert [hold["invoice_id"] for hold in close("list", code=1)["holds"]] == [draft]
    released = CliRunner().invoke(app, ["close", "release", draft, "--by", "Bob", "--reason", "fine", "--finalize"])
    assert f"{draft} is released (Bob)" in released.output
    assert world.api.v1.invoices.retrieve(draft).status == "open"

    at(world, CLOSED)
    world.count(80)
    [rest] = close("run", code=1)[0]["decide"]
    rejected = close("reject", rest["rest_id"], "--by", "Ada", "--note", "our fault")
    assert (rejected["state"], rejected["decided_by"], rejected["amount_minor"]) == ("rejected", "Ada", 300)
    with pytest.raises(ClosingRefused):
        tally("close", "reject", rest["rest_id"], "--by", "Ada")
    assert close("run")[0]["proposals"] == []
    assert world.billed() == world.worth("api_calls", 50)

    for command in runbook("sh").splitlines():
        arguments = shlex.split(command, comments=True)[1:]
        assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0, command
    queries = runbook("sql").strip().removesuffix(";").split(";")
    with world.connection.cursor(row_factory=dict_row) as cursor:
        [[step], [hold]] = [cursor.execute(query.encode()).fetchall() for query in queries]
    assert (step["from_quantity"], step["to_quantity"], step["state"], step["decided_by"]) == (
        50,
        80,
        "rejected",
        "Ada",
    )
    assert (hold["held_by"], hold["released_by"], hold["state"]) == ("Ada", "Bob", "released")

    # Lines that no price explains: an amount is named.
    world.connection.execute("update tally.stripe_totals set invoice_quantity = 49 where metric = 'api_calls'")
    world.count(90)
    named = ("settle", "globex", "api_calls", "--period", "2024-03-01 08:30:15Z", "--by", "Ada", "--amount")
    assert close(*named, "0.70")["amount_by"] == "person"
    close("run")
    world.count(85)
    assert close(*named, "-0.20", "--as", "credit_grant")["kind"] == "credit_grant"
    close("run")
    assert world.billed() == world.worth("api_calls", 50) + 50
