"""An export that says the same agrees in whatever shape; one that does not is told apart by why."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from exported_month import EVENTS, MARCH, Exports, worth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tally.compare import CompareRefused, Comparison, Reading, write_comparison

NEW_YORK = ZoneInfo("America/New_York")
METRICS = ("calls", "bytes", "peak", "seats", "members")


def by_month() -> str:
    rows = [f"globex,{metric},2024-03,{worth('globex', metric)}" for metric in METRICS]
    rows += ["initech,bytes,2024-03,5000", "initech,bytes,2024-04,7000", "hooli,bytes,2024-03,12.345"]
    return "\n".join(["customer,metric,month,quantity", *rows, ""])


def by_day() -> list[dict[str, Any]]:
    """A row an event: one a day in New York at most, but for the unique ones, which no day adds up to."""
    found = []
    for _, customer, metric, at, quantity in EVENTS:
        if metric != "members":
            found.append({"customer": customer, "metric": metric, "day": at.astimezone(NEW_YORK).date(),
                          "quantity": Decimal(quantity)})  # fmt: skip
    return found


def whys(found: Comparison) -> dict[tuple[str, str], str]:
    return {(line.customer_ref, line.metric): line.cause_code or "" for line in found.lines if line.verdict != "ok"}


def test_a_month_agrees(exports: Exports) -> None:
    found = exports.compare(by_month())
    assert found.agrees, found.lines[0]
    assert len(found.lines) == 9  # umbrella's late usage counts 0, and the export has none of it
    assert {line.customer_ref for line in found.lines if line.there is None} == {"umbrella"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_days_are_added_up_in_the_tenants_zone(exports: Exports, kind: str) -> None:
    frame = pl.DataFrame(by_day(), schema_overrides={"quantity": pl.Decimal(38, 12)})
    path = exports.folder / f"days.{kind}"
    if kind == "parquet":
        frame.write_parquet(path)
    elif kind == "csv":
        frame.write_csv(path)
    else:
        path.write_text("\n".join(json.dumps(row, default=str) for row in by_day()))
    found = exports.compare(path)
    assert found.agrees, found.lines[0]
    assert found.columns.when == ("day",)
    assert sum(line.rows for line in found.lines) == found.rows == len(by_day())


def test_the_same_days_in_utc_reach_beyond_the_periods(exports: Exports) -> None:
    rows = "\n".join(f"initech,bytes,2024-03-{day:02},{5000 if day == 1 else day // 31 * 40}" for day in range(1, 32))
    found = exports.compare(f"customer,metric,day,quantity\n{rows}\n", Reading(utc=True), customer_ref="initech")
    assert whys(found) == {("initech", "bytes"): "period mismatch"}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.decimals("-5000", "5000", allow_nan=False, places=12), max_size=12),
    days=st.lists(st.integers(0, 29), min_size=13, max_size=13),
)
def test_however_a_sum_is_cut_into_days_it_is_the_same_sum(
    exports: Exports, cuts: list[Decimal], days: list[int]
) -> None:
    parts = [*cuts, Decimal(5000) - sum(cuts, Decimal(0))]
    rows = [
        f"initech,bytes,{(MARCH[0] + timedelta(days=day)):%Y-%m-%d},{part:f}"
        for part, day in zip(parts, days, strict=False)
    ]
    text = "\n".join(["customer,metric,day,quantity", *rows])
    [exact] = exports.compare(text, epsilon=Decimal(0), customer_ref="initech").lines
    assert (exact.verdict, exact.there) == ("ok", Decimal(5000))
    [off] = exports.compare(
        f"{text}\ninitech,bytes,2024-03-31,0.000000000001", epsilon=Decimal(0), customer_ref="initech"
    ).lines
    assert (off.verdict, off.difference) == ("break", Decimal("0.000000000001"))


BYTES = worth("globex", "bytes")
CAUSES = {
    "late events": f"globex,bytes,2024-03,{BYTES + 250}",
    "duplicates": f"globex,bytes,2024-03,{BYTES + 2001}",
    "conflicts": f"globex,bytes,2024-03,{BYTES + 4000}",
    "late events and duplicates": f"globex,bytes,2024-03,{BYTES + 2251}",
    "other unit": f"globex,bytes,2024-03,{BYTES / 1000}",
    "unexplained": f"globex,bytes,2024-03,{BYTES + 1000}",
    "undeclared metric": "globex,storage,2024-03,1",
    "unknown customer": "nobody,bytes,2024-03,1",
    "only there": "initech,calls,2024-03,1",
    "not comparable": "globex,members,2024-03,30\nglobex,members,2024-03,1",
    "part of the period": "initech,bytes,2024-03-02,1",
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_difference_is_told_by_its_cause(exports: Exports, cause: str) -> None:
    time = "day" if "03-02" in CAUSES[cause] else "month"
    found = exports.compare(f"customer,metric,{time},quantity\n{CAUSES[cause]}\n")
    first = tuple(CAUSES[cause].split(",")[:2])
    assert whys(found)[first] == cause  # type: ignore[index]
    line = next(line for line in found.lines if (line.customer_ref, line.metric) == first)
    assert line.verdict == ("missing" if cause == "not comparable" else "break")
    assert line.first_row == 2


def test_late_usage_that_only_they_count(exports: Exports) -> None:
    found = exports.compare("customer,metric,month,quantity\numbrella,bytes,2024-03,99\n", customer_ref="umbrella")
    assert whys(found) == {("umbrella", "bytes"): "late events"}


def test_rounded_and_cut_elsewhere(exports: Exports) -> None:
    rounded = exports.compare("customer,metric,month,quantity\nhooli,bytes,2024-03,12.3\n", customer_ref="hooli",
                              epsilon=Decimal(0))  # fmt: skip
    assert whys(rounded) == {("hooli", "bytes"): "rounding"}
    text = "customer,metric,month,quantity\ninitech,bytes,2024-03,6000\ninitech,bytes,2024-04,6000\n"
    assert whys(exports.compare(text, customer_ref="initech")) == {("initech", "bytes"): "cut elsewhere"}


def test_what_the_export_lacks_is_listed_and_a_twin_is_named(exports: Exports) -> None:
    found = exports.compare(by_month().replace("hooli", "HOOLI"))
    lines = {line.customer_ref: line for line in found.lines if line.verdict == "break"}
    assert lines["hooli"].cause == (
        "named otherwise: 12.345 is counted here from 1 event; the export has no row of it, but the same quantities"
        " for 'HOOLI'"
    )
    assert (lines["HOOLI"].here, lines["hooli"].there) == (None, None)
    assert lines["hooli"].command == "tally explain hooli bytes 2024-03-01T05:00Z --tenant acme"
    without = exports.compare(by_month().replace("hooli,bytes,2024-03,12.345\n", ""))
    assert whys(without) == {("hooli", "bytes"): "only here"}


def test_epsilon_is_the_meters_the_tenants_or_the_callers(exports: Exports) -> None:
    text = "customer,metric,month,quantity\ninitech,bytes,2024-03,5020\ninitech,bytes,2024-04,7000\n"
    assert exports.compare(text, customer_ref="initech").agrees  # 0.4 % of 0.5
    assert not exports.compare(text, customer_ref="initech", epsilon=Decimal("0.003")).agrees


def test_stripes_own_names_and_unix_seconds_are_understood(exports: Exports) -> None:
    with exports.connection.transaction(force_rollback=True):
        exports.connection.execute(
            "insert into tally.stripe_subscription_items (account, livemode, item_id, tenant_id, customer_ref, metric,"
            " subscription_id, subscription_status, stripe_customer_id, stripe_meter_id, event_name, price_id,"
            " billing_cycle_anchor, started_at, current_period_start, current_period_end, synced_at)"
            " values ('self', false, 'si_1', 'acme', 'initech', 'bytes', 'sub_1', 'active', 'cus_1', 'mtr_1', 'sent',"
            " 'price_1', %(start)s, %(start)s, %(start)s, %(end)s, %(start)s)",
            {"start": MARCH[0], "end": MARCH[1]},
        )
        start, middle, end = (int(at.timestamp()) for at in (MARCH[0], MARCH[0] + timedelta(days=9), MARCH[1]))
        summaries = f"customer,meter,start_time,end_time,aggregated_value\ncus_1,mtr_1,{start},{middle},4000\n" \
                    f"cus_1,mtr_1,{middle},{end},1000.0\n"  # fmt: skip
        found = exports.compare(summaries, customer_ref="initech")
        assert found.agrees, found.lines
        assert [(line.customer_ref, line.metric, line.rows) for line in found.lines] == [("initech", "bytes", 2)]
        lines = "Customer ID;Price ID;Period Start (UTC);Period End (UTC);Quantity\n" \
                "cus_1;price_1;2024-03-01 05:00;2024-04-01 04:00;5000\n"  # fmt: skip
        assert exports.compare(lines, customer_ref="initech").agrees


def test_amounts_are_compared_when_asked(exports: Exports) -> None:
    text = "customer,metric,month,quantity,amount,currency\ninitech,bytes,2024-03,5000,{},{}\n"

    def judged(amount: str, currency: str = "usd") -> tuple[str, str | None]:
        found = exports.compare(text.format(amount, currency), customer_ref="initech", amounts="major")
        [line] = found.lines
        return line.verdict, line.cause_code

    assert judged("12.50") == ("missing", "amount not known")
    with exports.connection.transaction(force_rollback=True):
        exports.connection.execute(
            "insert into tally.priced_lines (tenant_id, account, livemode, customer_ref, metric, period_start,"
            " quantity, amount, currency, priced_at)"
            " values ('acme', 'self', false, 'initech', 'bytes', %s, 5000, 1250, 'usd', now())",
            (MARCH[0],),
        )
        assert judged("12.50") == ("ok", None)
        assert judged("13.50") == ("break", "price mismatch")
        assert judged("12.50", "eur") == ("break", "other currency")


REFUSALS = {
    "customer,metric,month,quantity\nglobex,bytes,2024-03,1\nglobex,bytes,2024-03,\"1,5\"\n":
        "line 3, quantity: '1,5' is no number",
    "customer,metric,month,quantity\nglobex,bytes,March,1\n": "line 2, month: 'March' is no time",
    "customer,metric,month,quantity\n,bytes,2024-03,1\n": "line 2, customer: is empty",
    "customer,metric,month,quantity\nglobex,bytes,2024-03\n": "line 2: 3 fields where the header has 4",
    "customer,metric,month,quantity\nglobex,bytes,2024-13,NaN\n": "line 2, month: '2024-13' is no time",
    "customer,metric,start,end,quantity\na,b,2024-03-02,2024-03-02,1\n": "line 2, end: the span ends at or before",
    "customer,metric,quantity\na,b,1\n": "no column says period, day, at, or start and end",
    "who,metric,day,quantity\na,b,2024-03-01,1\n": "no column says customer: --map customer=COLUMN",
    "customer,metric,day,quantity\n": "has no row",
    "": "has no row",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSALS)
def test_what_cannot_be_read_is_refused_by_line_and_field(exports: Exports, text: str) -> None:
    with pytest.raises(CompareRefused) as refused:
        exports.compare(text)
    assert REFUSALS[text] in str(refused.value)


@pytest.mark.parametrize(
    ("line", "why"),
    [('{"customer": "globex", "metric": "bytes"', "line 2: is not JSON"), ("[1]", "line 2: is no JSON object")],
)
def test_a_broken_line_of_json_is_named(exports: Exports, line: str, why: str) -> None:
    first = '{"customer": "globex", "metric": "bytes", "month": "2024-03", "usage": {"value": 1.1}}'
    path = exports.write(f"{first}\n{line}\n", "export.jsonl")
    with pytest.raises(CompareRefused, match=why):
        exports.compare(path, Reading({"quantity": "usage.value"}))


def test_the_files_say_all_of_it_and_load_nothing(exports: Exports, tmp_path: Path) -> None:
    found = exports.compare(by_month().replace("initech,bytes,2024-03,5000", "<b>x</b>,bytes,2024-03,5000.50"))
    files = write_comparison(found, tmp_path / "out")
    page = files.html.read_text()
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "2 of 10 lines do not agree" in page
    assert "http" not in page.replace("https://tally", "")
    document = json.loads(files.json.read_text())
    assert document["verdicts"] == {"break": 2, "ok": 8}
    assert document["lines"][0]["there"] in ("5000.50", None)
    assert len(files.csv.read_text().splitlines()) == 11
