"""Charts as SVG inside the page: no script, no outside font, and in words for those who do not see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from markupsafe import Markup

from tally.reconciliation import notation
from tally.reports.past import PastRun

MOST_POINTS = 60
MOST_METRICS = 8
_VERDICTS = (("ok", "agree"), ("breaks", "break"), ("missing", "not known"), ("unmapped", "not billed"))


@dataclass(frozen=True)
class Chart:
    """A drawing, what it is of, and what it shows in a sentence; a labelled one needs none beside it."""

    title: str
    says: str
    svg: Markup
    is_labelled: bool = False


def verdict_chart(runs: Sequence[PastRun]) -> Chart:
    """A column a run, cut by the share of lines of each verdict."""
    width, height = Decimal(1120), Decimal(72)
    shown = thinned(runs)
    step = width / max(len(shown), 12)
    bars = []
    for place, run in enumerate(shown):
        top = height
        for name, word in _VERDICTS:
            count = getattr(run, name)
            if count:
                tall = height * count / run.lines
                top -= tall
                tip = f"run {run.run_id}, {notation.moment(run.made_at)}: {count} of {run.lines} {word}"
                bars.append(_rect(step * place + step / 20, top, step * 9 / 10, tall, f"v-{name}", tip))
    last = runs[-1]
    says = f"{len(runs)} runs; in the last one {last.ok} of {last.lines} lines agree, {last.breaks} break."
    return Chart("Lines by verdict", says, _svg(width, height, "Lines by verdict", says, bars))


def drift_charts(runs: Sequence[PastRun], epsilon: Decimal) -> list[Chart]:
    """For each metric of the last run, the worst first: its largest drift over the runs, beside the allowance."""
    last = runs[-1].worst_drift
    metrics = sorted(last, key=lambda metric: (-max(_known(runs, metric), default=Decimal(0)), metric))
    return [_drift_chart(runs, metric, epsilon) for metric in metrics[:MOST_METRICS]]


def billed_chart(months: Sequence[PastRun], currency: str) -> Chart:
    """A column a span: what was billed, coloured by its verdict."""
    width, height, room = Decimal(1120), Decimal(170), Decimal(22)
    amounts = [month.amounts.get(currency, Decimal(0)) for month in months]
    tallest = max(*amounts, Decimal(1))
    step = width / max(len(months), 6)
    parts = []
    for place, (month, amount) in enumerate(zip(months, amounts, strict=True)):
        tall = (height - 2 * room) * max(amount, Decimal(0)) / tallest
        left, top = step * place + step / 8, height - room - tall
        written = notation.money(amount, currency)
        parts.append(_rect(left, top, step * 3 / 4, tall, f"v-{_colour(month.verdict)}", f"{written}: {month.verdict}"))
        middle = left + step * 3 / 8
        parts.append(_label(middle, top - 6, written, "value"))
        parts.append(_label(middle, height - 5, f"{month.starting_from:%b %Y}", "axis"))
    says = "; ".join(
        f"{month.starting_from:%B %Y}: {notation.money(amount, currency)}, {month.verdict}"
        for month, amount in zip(months, amounts, strict=True)
    )
    title = f"Billed for usage, {currency.upper()}"
    return Chart(title, says, _svg(width, height, title, says, parts), is_labelled=True)


def thinned(runs: Sequence[PastRun]) -> list[PastRun]:
    """At most `MOST_POINTS` of the runs: the first, the last, and of each stretch between the worst; no break hides."""
    if len(runs) <= MOST_POINTS:
        return list(runs)
    inner, stretches = runs[1:-1], MOST_POINTS - 2
    cuts = [len(inner) * number // stretches for number in range(stretches + 1)]
    worst = [max(inner[start:end], key=_badness) for start, end in pairwise(cuts)]
    return [runs[0], *worst, runs[-1]]


def _drift_chart(runs: Sequence[PastRun], metric: str, epsilon: Decimal) -> Chart:
    width, height, foot = Decimal(260), Decimal(72), Decimal(4)
    shown = thinned(runs)
    drifts = [run.worst_drift.get(metric) for run in shown]
    top = max([drift for drift in drifts if drift is not None] + [2 * epsilon, Decimal("0.000001")])
    step = width / max(len(shown) - 1, 1)

    def place(number: int, drift: Decimal) -> str:
        return f"{step * number:.1f} {height - foot - (height - 2 * foot) * drift / top:.1f}"

    path, pen = [], "M"
    for number, drift in enumerate(drifts):
        if drift is None:  # not known: the line has a gap there, and is not drawn as zero
            pen = "M"
        else:
            path.append(f"{pen}{place(number, drift)}")
            pen = "L"
    _, allowed = place(0, epsilon).split()
    parts = [
        Markup('<line class="allowed" x1="0" x2="{}" y1="{}" y2="{}"/>').format(width, allowed, allowed),
        Markup('<path class="drift" d="{}"/>').format(" ".join(path)),
    ]
    last = runs[-1].worst_drift.get(metric)
    if last is not None:
        x, y = place(len(shown) - 1, last).split()
        parts.append(Markup('<circle class="{}" cx="{}" cy="{}" r="3.5"/>').format(_dot(last, epsilon), x, y))
    peak = max(_known(runs, metric), default=None)
    says = f"now {notation.percent(last)}, at most {notation.percent(peak)}"
    return Chart(metric, says, _svg(width, height, f"Drift of {metric}", says, parts))


def _known(runs: Sequence[PastRun], metric: str) -> list[Decimal]:
    return [drift for run in runs if (drift := run.worst_drift.get(metric)) is not None]


def _dot(drift: Decimal, epsilon: Decimal) -> str:
    return "v-ok" if drift == 0 else "v-missing" if drift <= epsilon else "v-breaks"


def _badness(run: PastRun) -> tuple[int, int, Decimal, int]:
    known = [drift for drift in run.worst_drift.values() if drift is not None]
    return run.breaks, run.missing, max(known, default=Decimal(0)), run.run_id


def _colour(verdict: str) -> str:
    return {"break": "breaks", "ok": "ok", "missing": "missing"}.get(verdict, "unmapped")


def _rect(left: Decimal, top: Decimal, wide: Decimal, tall: Decimal, colour: str, tip: str) -> Markup:
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
    ).format(colour, left, top, wide, tall, tip)


def _label(x: Decimal, y: Decimal, text: str, kind: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(kind, x, y, text)


def _svg(width: Decimal, height: Decimal, title: str, says: str, parts: Sequence[Markup]) -> Markup:
    opening = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(width, height, f"{title}: {says}")
    return opening + Markup("").join(parts) + Markup("</svg>")
