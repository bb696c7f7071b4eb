"""How `tally explain <invoice line>` proves and prints: a tree for people, one document, or a page."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import typer
from rich.markup import escape

from tally.cli.output import console, print_json, progress
from tally.cli.proof_tree import proof_tree
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.explain import subject_meant
from tally.proof import BilledLine, Priced, Proof, lines_named, lines_of_counter, prove, record, write_page
from tally.settings import load_settings


def explain_proof(what: str, limit: int, html: Path | None, by: str | None, tenant: str | None, as_json: bool) -> None:
    """Prove every line that `what` names, record it in the name of `by`, print it; exits 1 unless all are proven."""
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        now = clock_for(load_settings(), connection).now()
        lines = _lines_meant(connection, tenant_id, what, now)
        with progress.status(f"reading the events behind {len(lines)} lines ..."):
            proofs = prove(connection, lines, now)
        if by is not None:
            for proof in proofs:
                record(connection, proof, by, now)
            proofs = prove(connection, lines, now)
        if html is not None:
            write_page(connection, html, what, proofs, now)
    if as_json:
        print_json({"named": what, "lines": [document(proof) for proof in proofs]})
    else:
        for proof in proofs:
            console.print(proof_tree(proof, limit))
            _print_verdict(proof)
        if html is not None:
            console.print(f"page: {html}", soft_wrap=True)
    raise typer.Exit(0 if all(proof.verdict == "proven" for proof in proofs) else 1)


def document(proof: Proof) -> dict[str, Any]:
    """One line's proof for programs; exact numbers are text."""
    chain = proof.chain
    events = {name: value for name, value in vars(chain.events).items() if name != "by_day"}
    return {
        **asdict(chain.line),
        "verdict": proof.verdict,
        "differences": proof.differences,
        "version": chain.version,
        "definition": chain.definition,
        "counter": chain.counter,
        "billed_together": chain.together,
        "events": events | {"left_out": dict(chain.events.left_out)},
        "adjustments": chain.adjustments,
        "intents": chain.intents,
        "price": chain.price.line.as_json() if isinstance(chain.price, Priced) else None,
        "amounts": chain.price.amounts if isinstance(chain.price, Priced) else None,
        "checks": [asdict(each) | {"verdict": each.verdict} for each in proof.checks],
        "proofs": chain.proofs,
    }


def _lines_meant(connection: psycopg.Connection[Any], tenant_id: str, what: str, now: datetime) -> list[BilledLine]:
    parts = what.rsplit("/", 2)
    if len(parts) == 3:
        return lines_of_counter(connection, subject_meant(connection, tenant_id, parts[0], parts[1], parts[2], now))
    return lines_named(connection, tenant_id, what)


def _print_verdict(proof: Proof) -> None:
    if proof.verdict == "proven":
        console.print(f"[green]proven:[/green] {len(proof.checks)} claims hold, from the landed events to the amount")
    else:
        said = "differs" if proof.verdict == "differs" else "not known"
        for sentence in proof.differences:
            console.print(f"[red]{said}:[/red] {escape(sentence)}", soft_wrap=True)
