"""A reconciliation in a few numbers: verdicts, totals by metric, the worst lines, the breaks by cause."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tally.reconciliation.lines import NOTICES, Line
from tally.reconciliation.mends import Mend, mend_of


@dataclass(frozen=True)
class MetricTotals:
    """One metric's quantities added up over its lines; a number is None as soon as one line's is unknown.

    Added up only where that means something: None throughout for min, max and last.
    """

    metric: str
    unit: str
    aggregation: str
    lines: int
    deliveries: int
    duplicates: int
    late_events: int
    local_quantity: Decimal | None
    sent_quantity: Decimal | None
    stripe_quantity: Decimal | None
    invoice_quantity: Decimal | None
    worst_drift_ratio: Decimal | None
    verdict: str


@dataclass(frozen=True)
class Finding:
    """All lines with one cause or notice, the worst first, and what mends them; `verdict` is "notice" of a notice."""

    code: str
    verdict: str
    lines: tuple[Line, ...]
    mend: Mend


@dataclass(frozen=True)
class Summary:
    """`verdict` is the worst of the lines': break, missing, ok; "empty" when there is none. Unmapped lines are shown,
    but they have nothing to agree with. `amounts` are billed minor units by currency. `notices` are what a person
    should decide about lines whose totals agree: late events, conflicts."""

    verdict: str
    ok: int
    breaks: int
    missing: int
    unmapped: int
    metrics: tuple[MetricTotals, ...]
    findings: tuple[Finding, ...]
    amounts: tuple[tuple[str, Decimal], ...]
    notices: tuple[Finding, ...] = ()

    @property
    def lines(self) -> int:
        """How many lines were judged."""
        return self.ok + self.breaks + self.missing + self.unmapped


def summarize(lines: Sequence[Line]) -> Summary:
    """The lines in a few numbers."""
    verdicts = Counter(line.verdict for line in lines)
    return Summary(
        verdict=_worst(lines),
        ok=verdicts["ok"],
        breaks=verdicts["break"],
        missing=verdicts["missing"],
        unmapped=verdicts["unmapped"],
        metrics=tuple(_metric(group) for group in _grouped(lines, lambda line: line.metric)),
        findings=tuple(_findings(lines)),
        amounts=_amounts(lines),
        notices=tuple(_notices(lines)),
    )


def worst_lines(lines: Iterable[Line], count: int = 10) -> list[Line]:
    """The lines that differ most, relative to their size; unknown drift ranks before any known one."""
    not_ok = [line for line in lines if line.verdict not in ("ok", "unmapped")]
    return sorted(not_ok, key=_badness)[:count]


def _badness(line: Line) -> tuple[bool, bool, Decimal, str, str]:
    ratio = line.drift_ratio if line.drift_ratio is not None else Decimal(0)
    return line.verdict != "break", line.drift_ratio is not None, -ratio, line.customer_ref, line.metric


def _worst(lines: Sequence[Line]) -> str:
    verdicts = {line.verdict for line in lines}
    for verdict in ("break", "missing", "ok", "unmapped"):
        if verdict in verdicts:
            return verdict
    return "empty"


def _grouped(lines: Iterable[Line], key: Callable[[Line], str]) -> list[list[Line]]:
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        groups[key(line)].append(line)
    return [groups[name] for name in sorted(groups)]


def _metric(lines: list[Line]) -> MetricTotals:
    adds_up = all(line.aggregation in ("count", "sum", None) for line in lines)

    def total(quantities: list[Decimal | None]) -> Decimal | None:
        known = [quantity for quantity in quantities if quantity is not None]
        return sum(known, Decimal(0)) if adds_up and len(known) == len(quantities) else None

    ratios = [line.drift_ratio for line in lines if line.drift_ratio is not None]
    return MetricTotals(
        metric=lines[0].metric,
        unit=next((line.unit for line in lines if line.unit), ""),
        aggregation=next((line.aggregation for line in lines if line.aggregation), ""),
        lines=len(lines),
        deliveries=sum(line.deliveries for line in lines),
        duplicates=sum(line.duplicates for line in lines),
        late_events=sum(line.late_events for line in lines),
        # A customer without usage has no counter: nothing was counted, which adds nothing.
        local_quantity=total([line.local_quantity if line.event_count else Decimal(0) for line in lines]),
        sent_quantity=total([line.sent_quantity for line in lines]),
        stripe_quantity=total([line.stripe_quantity for line in lines]),
        invoice_quantity=total([line.invoice_quantity for line in _each_invoice_line_once(lines)]),
        worst_drift_ratio=max(ratios, default=None),
        verdict=_worst(lines),
    )


def _findings(lines: Iterable[Line]) -> list[Finding]:
    found = [line for line in lines if line.verdict != "ok"]
    findings = [
        Finding(
            code, _worst(group), tuple(sorted(group, key=_badness)), mend_of(code, group[0].tenant_id, line=group[0])
        )
        for group in _grouped(found, lambda line: line.cause_code or "unexplained")
        if (code := group[0].cause_code or "unexplained")
    ]
    order = ["break", "missing", "unmapped"]
    return sorted(findings, key=lambda finding: (order.index(finding.verdict), finding.code))


def _notices(lines: Sequence[Line]) -> list[Finding]:
    noted = {code: tuple(line for line in lines if code in line.notices) for code in NOTICES}
    return [
        Finding(code, "notice", group, mend_of(code, group[0].tenant_id, line=group[0]))
        for code, group in noted.items()
        if group
    ]


def _each_invoice_line_once(lines: Iterable[Line]) -> Iterator[Line]:
    """An invoice line that bills several segments stands at each of them."""
    seen = set()
    for line in lines:
        place = (line.account, line.livemode, line.customer_ref, line.metric, line.invoice_line_id)
        if line.billed_segments is None or line.billed_segments == 1 or place not in seen:
            yield line
        seen.add(place)


def _amounts(lines: Iterable[Line]) -> tuple[tuple[str, Decimal], ...]:
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for line in _each_invoice_line_once(lines):
        if line.billed_amount is not None and line.invoice_currency is not None:
            amounts[line.invoice_currency] += line.billed_amount
    return tuple(sorted(amounts.items()))
