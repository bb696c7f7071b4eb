"""`tally explain`: the events behind a counter, or the proof of an invoice line from its amount down to its events."""

from pathlib import Path
from typing import Annotated

import typer

from tally.cli.explained_counter import counter_lines, print_counter
from tally.cli.output import TenantOption, print_json_line
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.explain import explaining
from tally.settings import load_settings

_JsonFlag = Annotated[
    bool,
    typer.Option(
        "--json",
        help="A counter as JSON lines: kind counter, one each of what is listed, then check. A proof as one document.",
    ),
]


def explain(
    what: Annotated[
        str,
        typer.Argument(help="An invoice line, an invoice, CUSTOMER/METRIC/PERIOD; or a customer, with METRIC."),
    ],
    metric: Annotated[str | None, typer.Argument(help="The metric: list the counter's events.")] = None,
    period: Annotated[
        str | None,
        typer.Argument(help="A month in which it starts (2013-01), or a moment in it (2013-01-15); default: now."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows in a table; all of them are read and counted.")] = 20,
    html: Annotated[Path | None, typer.Option(help="Write the proof as a page that needs no network.")] = None,
    record_by: Annotated[
        str | None, typer.Option(help="Keep the proof, in this person's name: later ones are held against it.")
    ] = None,
    tenant: TenantOption = None,
    as_json: _JsonFlag = False,
) -> None:
    """Prove an invoice line link by link, or list what a counter is made of.

    Exits 1, naming what differs, unless the line follows from its landed events, or the counter from what is listed.
    """
    if metric is not None:
        if html is not None or record_by is not None:
            raise typer.BadParameter(f"a proof is named {what}/{metric}/{period or '2013-01'}; --html is of a proof")
        _explain_counter(what, metric, period, limit, tenant, as_json)
    # Pricing brings Polars and Stripe's SDK, half a second that the other commands can do without.
    from tally.cli.explain_proof import explain_proof

    explain_proof(what, limit, html, record_by, tenant, as_json)


def _explain_counter(
    customer: str, metric: str, period: str | None, limit: int, tenant: str | None, as_json: bool
) -> None:
    with opened() as connection:
        now = clock_for(load_settings(), connection).now()
        with explaining(connection, tenant_meant(connection, tenant), customer, metric, period, now) as explanation:
            if as_json:
                for line in counter_lines(explanation):
                    print_json_line(line)
            else:
                print_counter(explanation, limit)
            differing = [total for total in explanation.totals() if not total.agrees]
    raise typer.Exit(1 if differing else 0)
