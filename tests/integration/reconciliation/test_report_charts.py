"""What a report shows over time: no break hides in a long history, and what is not known is a gap, not a zero."""

import re
from datetime import timedelta
from decimal import Decimal

from markupsafe import Markup
from reconciled import END, START, broken, line

from tally.reconciliation import summarize
from tally.reports import Report, changes_between, render_html
from tally.reports.charts import MOST_POINTS, billed_chart, drift_charts, thinned, verdict_chart
from tally.reports.past import PastRun

EPSILON = Decimal("0.005")


def past(number: int, drift: str | None = "0", breaks: int = 0, amount: int = 100) -> PastRun:
    ratio = None if drift is None else Decimal(drift)
    verdict = "break" if breaks else "ok"
    return PastRun(number, START, END, START + timedelta(hours=number), verdict, 10 - breaks, breaks, 0, 0,
                   {"usd": Decimal(amount)}, {"calls": ratio})  # fmt: skip


def shapes(svg: Markup, name: str) -> list[str]:
    return re.findall(rf"<{name} [^>]+>", svg)


def test_the_one_break_of_a_thousand_runs_is_drawn() -> None:
    runs = [past(number, breaks=3 if number == 517 else 0) for number in range(1, 1001)]
    shown = thinned(runs)
    assert len(shown) == MOST_POINTS
    assert (shown[0], shown[-1]) == (runs[0], runs[-1])
    assert [run.run_id for run in shown] == sorted(run.run_id for run in shown)
    assert [run.run_id for run in shown if run.breaks] == [517]
    assert len([bar for bar in shapes(verdict_chart(runs).svg, "rect") if "v-breaks" in bar]) == 1


def test_what_is_not_known_is_a_gap_in_the_line() -> None:
    [chart] = drift_charts([past(1, "0.001"), past(2, None), past(3, "0.02"), past(4, "0.01")], EPSILON)
    [path] = re.findall(r'd="([^"]+)"', chart.svg)
    assert (path.count("M"), path.count("L")) == (2, 1)
    assert chart.says == "now 1 %, at most 2 %"
    assert "v-breaks" in shapes(chart.svg, "circle")[0]


def test_amounts_are_drawn_to_scale_and_written_out() -> None:
    chart = billed_chart([past(1, amount=5000), past(2, amount=10000, breaks=1)], "usd")
    first, second = (Decimal(re.findall(r' height="([^"]+)"', bar)[0]) for bar in shapes(chart.svg, "rect"))
    assert second == 2 * first
    assert "100.00 USD" in chart.svg


def test_the_page_has_all_of_it_in_words_too() -> None:
    before, after = [line(), line(metric="minutes")], [broken(), line(metric="minutes", local_quantity=Decimal(11))]
    report = Report(
        "acme", "Acme", EPSILON, END, START, END, after, {}, summarize(after), 9, past(8),
        changes_between(before, after), (past(7), past(8, "0.002")), (past(3, amount=4200),),
    )  # fmt: skip
    page = render_html(report)
    assert "What changed since run 8" in page
    assert "Of 2 lines, 2 changed in verdict, quantity or amount: 1 no longer agree." in page
    assert page.count("<svg") == page.count('role="img" aria-label="') == 4
    assert "42.00 USD" in page
    assert "1.00 USD</p>" in page  # of 2.00 billed, one line of 1.00 is not proven
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
