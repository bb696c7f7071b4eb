"""Both sides of a comparison, key by key: within epsilon or not, and why."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

import psycopg

from tally.compare.causes import why_different, why_only_here, why_only_there
from tally.compare.evidence import uncounted
from tally.compare.here import Counter, Key, Tenant, known_customers
from tally.compare.money import AmountUnit, judged_amount
from tally.compare.result import ComparedLine, Verdict
from tally.compare.there import Theirs


class Judge:
    """Both sides, key by key."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        tenant: Tenant,
        counters: Sequence[Counter],
        theirs: dict[Key, Theirs],
        covered: tuple[datetime, datetime],
        epsilon: Decimal | None,
        amounts: AmountUnit | None,
    ) -> None:
        self._tenant, self._theirs, self._covered = tenant, theirs, covered
        self._epsilon, self._amounts = epsilon, amounts
        self._counters = {each.key: each for each in counters}
        differing = [each for each in counters if not self._agrees(each, theirs.get(each.key))]
        self._parts = uncounted(connection, tenant.tenant_id, differing, tenant.meters)
        self._known = known_customers(
            connection, tenant.tenant_id, {key[0] for key in theirs.keys() - self._counters.keys()}
        )
        self._twins = self._find_twins()
        self._totals = self._find_equal_totals()

    def lines(self) -> list[ComparedLine]:
        """What differs most first, then by name."""
        keys = sorted(self._counters.keys() | self._theirs.keys())
        lines = [self._line(key, self._counters.get(key), self._theirs.get(key)) for key in keys]
        order = {"break": 0, "missing": 1, "ok": 2}
        return sorted(lines, key=lambda line: (order[line.verdict], -line.ratio))

    def _line(self, key: Key, counter: Counter | None, theirs: Theirs | None) -> ComparedLine:
        period = (counter.period_start, counter.period_end) if counter else (theirs.period.start, theirs.period.end)  # type: ignore[union-attr]
        here, there = counter.value if counter else None, theirs.quantity if theirs else None
        with localcontext(prec=60):
            difference = (there or Decimal(0)) - (here or Decimal(0))
            size = max(abs(here or Decimal(0)), abs(there or Decimal(0)))
            ratio = abs(difference) / size if size else Decimal(0)
        verdict, cause = self._judged(key, counter, theirs)
        line = ComparedLine(
            key[0], key[1], *period, counter.unit if counter else None, here, there, difference, ratio,
            self._allowed(key[1]), theirs.rows if theirs else 0, theirs.first_row if theirs else None, None, None, None,
            verdict, cause, None,
        )  # fmt: skip
        if self._amounts is not None:
            line = self._with_amounts(line, counter, theirs)
        return replace(line, command=self._command(line)) if line.verdict != "ok" else line

    def _judged(self, key: Key, counter: Counter | None, theirs: Theirs | None) -> tuple[Verdict, str | None]:
        parts = self._parts.get(key, [])
        if theirs is not None and theirs.fault is not None:
            return "missing", f"not comparable: {theirs.fault}"
        if self._agrees(counter, theirs):
            return "ok", None
        if counter is None:
            assert theirs is not None
            declared, known = key[1] in self._tenant.meters, key[0] in self._known
            return "break", why_only_there(theirs, declared, known, parts).text
        if theirs is None:
            return "break", why_only_here(counter, self._twins.get(key[0])).text
        return "break", why_different(counter, theirs, self._covered, parts, key[:2] in self._totals).text

    def _agrees(self, counter: Counter | None, theirs: Theirs | None) -> bool:
        """Within epsilon. Nothing is as much as 0, and as nothing else."""
        here, there = counter.value if counter else Decimal(0), theirs.quantity if theirs else Decimal(0)
        metric = counter.metric if counter else ""
        with localcontext(prec=60):
            return abs(here - there) <= self._allowed(metric) * max(abs(here), abs(there))

    def _allowed(self, metric: str) -> Decimal:
        meter = self._tenant.meters.get(metric)
        return self._epsilon if self._epsilon is not None else meter.epsilon if meter else self._tenant.epsilon

    def _with_amounts(self, line: ComparedLine, counter: Counter | None, theirs: Theirs | None) -> ComparedLine:
        assert self._amounts is not None
        found = judged_amount(counter, theirs, self._amounts, line.epsilon)
        line = replace(line, here_amount=found.here, there_amount=found.there, currency=found.currency)
        return line if line.verdict != "ok" else replace(line, verdict=found.verdict, cause=found.cause)

    def _command(self, line: ComparedLine) -> str | None:
        if line.cause_code in ("undeclared metric", "unknown customer", "not comparable"):
            return None
        asked = ["tally", "explain", line.customer_ref, line.metric, f"{line.period_start:%Y-%m-%dT%H:%MZ}"]
        return shlex.join([*asked, "--tenant", self._tenant.tenant_id])

    def _find_twins(self) -> dict[str, str]:
        """Customers only here, each with the one customer only there that has exactly the same quantities."""
        here, there = _by_customer(self._counters.items()), _by_customer(self._theirs.items())
        only_there: dict[Any, list[str]] = defaultdict(list)
        for customer in there.keys() - here.keys():
            only_there[frozenset(there[customer].items())].append(customer)
        only_here: dict[Any, list[str]] = defaultdict(list)
        for customer in here.keys() - there.keys():
            only_here[frozenset(here[customer].items())].append(customer)
        return {
            ours[0]: only_there[quantities][0]
            for quantities, ours in only_here.items()
            if len(ours) == 1 and len(only_there.get(quantities, [])) == 1
        }

    def _find_equal_totals(self) -> set[tuple[str, str]]:
        """Customers and metrics whose total over all of the export's periods is the same on both sides."""
        totals: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for key, counter in self._counters.items():
            totals[key[:2]] += counter.value
        for key, theirs in self._theirs.items():
            totals[key[:2]] -= theirs.quantity
        return {key for key, rest in totals.items() if rest == 0}


def _by_customer(sides: Iterable[tuple[Key, Any]]) -> dict[str, dict[tuple[str, datetime], Decimal]]:
    found: dict[str, dict[tuple[str, datetime], Decimal]] = defaultdict(dict)
    for (customer, metric, start), side in sides:
        quantity = side.value if isinstance(side, Counter) else side.quantity
        if quantity:
            found[customer][metric, start] = quantity
    return found
