"""A proof as one offline HTML page: what an invoice bills, and how each line follows from what happened."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from tally.periods import Period
from tally.proof.priced import Priced
from tally.proof.proving import Proof
from tally.reconciliation import notation

_VERDICTS = {"proven": "ok", "differs": "break", "incomplete": "missing"}
# More bars than this would be thinner than a pixel.
_MOST_DAYS = 400
_BAR = Markup('<rect class="v-ok" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{}</title></rect>')


def write_page(
    connection: psycopg.Connection[Any], path: Path, named: str, proofs: Sequence[Proof], now: datetime
) -> None:
    """Write the page of `proofs`, of one tenant, to `path`; a file that is there is replaced whole."""
    tenant_id = proofs[0].chain.line.tenant_id
    (tenant,) = connection.execute("select name from tally.tenants where tenant_id = %s", (tenant_id,)).fetchone() or (
        tenant_id,
    )
    names = connection.execute("select customer_ref, name from tally.customers where tenant_id = %s", (tenant_id,))
    page = _environment().get_template("proof.html.j2").render(
        named=named, proofs=proofs, now=now, tenant=tenant, customers=dict(names.fetchall()), verdicts=_VERDICTS
    )  # fmt: skip
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)


@cache
def _environment() -> Environment:
    """The report's looks are the report's: its style sheet is read where it is."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader("tally.proof"), PackageLoader("tally.reports")]),
        autoescape=select_autoescape(default=True, default_for_string=True, enabled_extensions=("j2", "html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "quantity": notation.quantity,
        "moment": notation.moment,
        "signed": _signed,
        "step": _step_verdict,
        "as_decimal": Decimal,
    }
    made.globals |= {"money": notation.money, "priced": lambda found: isinstance(found, Priced), "days": day_chart}
    return made


def day_chart(by_day: Counter[date], period: Period) -> Markup:
    """A bar a UTC day of the period: how many of its events happened then."""
    first, last = period.start.astimezone(UTC).date(), (period.end - timedelta(microseconds=1)).astimezone(UTC).date()
    days = [first + timedelta(days=number) for number in range(min((last - first).days + 1, _MOST_DAYS))]
    width, height = Decimal(1120), Decimal(90)
    step, most = width / len(days), max(by_day.values(), default=0) or 1
    bars = []
    for place, day in enumerate(days):
        tall = height * by_day[day] / most
        bars.append(
            _BAR.format(step * place + step / 12, height - tall, step * 10 / 12, tall, f"{day}: {by_day[day]:,} events")
        )
    says = f"Events by day, at most {most:,}"
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, says, Markup("").join(bars)
    )


def _signed(number: Decimal) -> str:
    return notation.quantity(number) if number < 0 else f"+{notation.quantity(number)}"


def _step_verdict(proof: Proof, step: str) -> str:
    verdicts = {each.verdict for each in proof.checks if each.step == step}
    return "break" if "differs" in verdicts else "missing" if "unknown" in verdicts else "ok"
