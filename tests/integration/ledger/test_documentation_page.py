"""dbt's documentation as one page that opens without a server."""

from pathlib import Path

import pytest

from tally.ledger.documentation import write_documentation


@pytest.mark.thorough
def test_the_page_names_every_mart_and_leaves_nothing_beside_it(built_database_url: str, tmp_path: Path) -> None:
    page = tmp_path / "reports" / "dbt_docs.html"
    write_documentation(built_database_url, page)
    text = page.read_text()
    assert "usage_counters" in text
    assert "reconciliation_lines" in text
    assert [path.name for path in page.parent.iterdir()] == ["dbt_docs.html"]
