"""`tally doctor`: is everything set up as it should be, and how to mend what is not."""

import os
from collections import Counter
from typing import Annotated

import typer

from tally.cli.output import JsonFlag, console, print_json, print_table
from tally.doctor import examine

_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Stripe.")] = False, as_json: JsonFlag = False
) -> None:
    """Check settings, database, roles, schema, models, clocks, Stripe, processes and disk. Exits 1 when one is wrong.

    Reads only, starts nothing, shows no secret, and works with no database at all.
    """
    results = examine({**os.environ}, offline=offline)
    count = Counter(result.state for result in results)
    if as_json:
        print_json({"wrong": count["wrong"], "warnings": count["warning"], "results": [vars(each) for each in results]})
    else:
        rows = [
            (each.check, f"[{_COLOURS[each.state]}]{each.state}[/]", _plain(each.found), _plain(each.fix) or None)
            for each in results
        ]
        print_table("Doctor", ["check", "state", "found", "what to do"], rows)
        console.print(f"{count['ok']} ok, {count['warning']} warnings, {count['wrong']} wrong")
    raise typer.Exit(1 if count["wrong"] else 0)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
