"""`tally close ...` in this process, at a moment."""

import json
from datetime import datetime
from typing import Any

from closing_world import World
from typer.testing import CliRunner

from tally.cli.app import app


def at(world: World, moment: datetime) -> None:
    """Move the world's time, the test clock's and the commands'."""
    world.at(moment)
    set_clock(world, moment)


def set_clock(world: World, moment: datetime) -> None:
    """The time that commands find."""
    world.connection.execute(
        "insert into tally.simulated_clock (now) values (%s) on conflict (only_row) do update set now = excluded.now",
        (moment,),
    )


def close(*arguments: str, code: int = 0) -> Any:
    """What `tally close ... --json` prints; `code` is the exit code that it must have."""
    return tally("close", *arguments, code=code)


def tally(*arguments: str, code: int = 0) -> Any:
    """What `tally ... --json` prints."""
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == code, (arguments, result.output)
    return json.loads(result.output)
