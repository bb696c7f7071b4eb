"""`tally explain <invoice line>`: the tree, the document, the page, the exit code; the hash as the manual spells it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from final_month import BILLED, MONTH, TENANT, FinalMonth
from tally_command import run_tally

from tally.proof import record_final_lines

Run = Callable[..., str]
MANUAL = Path(__file__).parents[3] / "docs" / "proof.md"


@pytest.fixture
def explain(month: FinalMonth) -> Run:
    record_final_lines(month.connection, TENANT, month.clock, MONTH)
    month.connection.execute(
        "insert into tally.simulated_clock (now) values (%s) on conflict (only_row) do nothing", (BILLED,)
    )
    environment = {"DATABASE_URL": month.url, "TALLY_HOME": str(month.home), "TALLY_CLOCK": "simulated"}

    def run(*arguments: str, code: int = 0) -> str:
        done = run_tally(environment, "explain", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def ids(month: FinalMonth, customer: str, metric: str) -> tuple[str, list[str]]:
    row = month.connection.execute(
        "select invoice_id, string_to_array(invoice_line_id, ',') from tally.stripe_totals"
        " where customer_ref = %s and metric = %s and invoice_status = 'open'",
        (customer, metric),
    ).fetchone()
    assert row is not None
    return row


def test_a_line_is_printed_proven_and_kept(month: FinalMonth, explain: Run, tmp_path: Path) -> None:
    invoice, lines = ids(month, "globex", "minutes")
    page = tmp_path / "proof.html"
    tree = explain(lines[0], "--html", str(page), "--record-by", "ada")
    assert "16.14 USD; priced again 16.14 USD" in tree
    assert "tier 2: 43.5 × 0.08375 = 3.643125" in tree
    assert len(re.findall(r"\+71.75 confirmed .* req_\w+ tl1\.\w{32}", tree)) == 2
    assert re.search(r"proof \d+: proven \(open\), .* by ada, fingerprint [0-9a-f]{64}", tree)
    assert "proven:" in tree
    text = page.read_text()
    assert "Proven: 16.14 USD for 143.5 minutes" in text
    assert "Globex &lt;AG&gt;" in text
    assert re.findall(r'(?:src|href)="(?!#)([^"]+)"', text) == []
    document: dict[str, Any] = json.loads(explain(invoice, "--json"))
    assert {each["metric"]: each["verdict"] for each in document["lines"]} == {
        "calls": "proven", "minutes": "proven", "seats": "proven"
    }  # fmt: skip


def test_a_changed_row_exits_non_zero_and_says_which(month: FinalMonth, explain: Run, tmp_path: Path) -> None:
    change = "update raw.usage_events set quantity = quantity + %s where idempotency_key = 'initech-12-2-m'"
    month.connection.execute(change.encode(), (1,))
    try:
        page = tmp_path / "proof.html"
        said = explain("initech/minutes/2024-03", "--html", str(page), code=1)
        assert "differs: event initech-12-2-m: its landed row says 38.125 minutes for initech" in said
        assert "Not proven." in page.read_text()
        document = json.loads(explain("initech/minutes/2024-03", "--json", code=1))
        assert document["lines"][0]["verdict"] == "differs"
    finally:
        month.connection.execute(change.encode(), (-1,))


def test_the_manuals_statements_say_the_same(month: FinalMonth, explain: Run) -> None:
    """docs/proof.md: the hash over a line's events by SQL, and both directions of the lineage."""
    _, lines = ids(month, "globex", "minutes")
    proven = json.loads(explain(lines[0], "--json"))["lines"][0]
    statements = re.findall(r"```sql\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    assert len(statements) == 3
    hashed, events, back = (each.replace("il_1", lines[0]).replace("req-7f3a", "globex-1-1-m") for each in statements)
    assert month.connection.execute(hashed.encode()).fetchone() == (6, proven["events"]["sha256"])
    found = month.connection.execute(events.encode()).fetchall()
    assert [row[0] for row in found] == [f"globex-{half}-{number}-m" for half in (1, 12) for number in range(3)]
    assert sum(row[2] for row in found) == 143.5
    assert month.connection.execute(back.encode()).fetchall() == [("counted", "counted", lines, "open")]
