"""The pages over HTTP: what is served, what is not, under which headers, and what the index says of it."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from pages.contents import read_contents
from pages.index import render_index
from tally.page_addresses import address_of, dbt_docs_url, reports_folder
from tally.services import Stack
from tally.settings import Settings
from tally.stack import pages_service

PROXY = "billing.example.com"

SECRET = "not for browsers"
HIDDEN = ("acme/.hidden.html", "acme/.half/x.html", "acme/2024-03-01.html.partial", "acme/key.pem")


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: HTTPMessage
    text: str


class Pages:
    """The service as a process of its own; paths are sent as they are given, dots and all."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.folder = settings, reports_folder(settings)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.settings.pages_port, timeout=10)
        connection.request(method, path, headers={"host": "127.0.0.1", **headers})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return Answer(answer.status, answer.headers, text)


def report(verdict: str, **changed: object) -> str:
    breaks = int(verdict == "break")
    counts = {"verdict": verdict, "lines": 2, "ok": 2 - breaks, "breaks": breaks, "missing": 0, "unmapped": 0}
    head = {"tenant_id": "acme", "tenant_name": "Acme <b>& Söhne</b>", "run_id": 7, "summary": counts}
    times = {"generated_at": "2024-04-01T00:00:00Z", "starting_from": "2024-03-01T00:00:00Z"}
    return json.dumps(head | times | {"lines": [{"customer_ref": "globex"}]} | changed)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """A home with one report, and files beside and around it that nobody shall get."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        given = {"TALLY_HOME": str(tmp_path_factory.mktemp("home")), "TALLY_PAGES_PORT": str(probe.getsockname()[1])}
    settings = Settings.model_validate(given)
    folder = reports_folder(settings)
    (folder / "acme" / ".half").mkdir(parents=True)
    for name in ("acme/2024-03-01.html", "acme/2024-03-01.csv", "acme/2024-03-01.parquet", "dbt_docs.html"):
        (folder / name).write_text(name)
    (folder / "acme" / "2024-03-01.json").write_text(report("ok"))
    for name in ("../secret.html", *HIDDEN):
        (folder / name).write_text(SECRET)
    (folder / "link.html").symlink_to(folder.parent / "secret.html")
    with Stack(settings.home / "logs", given | {"TALLY_PAGES_URL": f"https://{PROXY}/"}) as stack:
        stack.start(pages_service(settings))
        yield Pages(settings)


def test_a_file_is_found_under_the_address_that_dagster_links_to(pages: Pages) -> None:
    for name, kind in (("html", "text/html"), ("csv", "text/csv"), ("parquet", "application/vnd.apache.parquet")):
        file = pages.folder / "acme" / f"2024-03-01.{name}"
        answer = pages.ask(urlsplit(address_of(pages.settings, file)).path)
        assert (answer.status, answer.text) == (200, f"acme/{file.name}")
        assert answer.headers["content-type"].startswith(kind)
    docs = urlsplit(dbt_docs_url(pages.settings, "model.tallyledger.usage_counters"))
    assert docs.fragment == "!/model/model.tallyledger.usage_counters"
    found = pages.ask(docs.path)
    assert found.text == "dbt_docs.html"
    assert pages.ask(docs.path, **{"if-none-match": found.headers["etag"]}).status == 304


@pytest.mark.parametrize(
    "path",
    [
        "../secret.html", "%2e%2e/secret.html", "..%2fsecret.html", "acme/..%5c..%5csecret.html", "/%2fetc/passwd",
        "link.html", "acme", "", "%00.html", *HIDDEN,
    ],
)  # fmt: skip
def test_nothing_else_is(pages: Pages, path: str) -> None:
    answer = pages.ask(f"/reports/{path}")
    assert answer.status == 404
    assert SECRET not in answer.text
    assert "This page is not here" in answer.text


def test_it_is_read_only_and_answers_to_its_own_names_alone(pages: Pages) -> None:
    names = {
        "127.0.0.1": 200,
        "localhost:8082": 200,
        PROXY: 200,
        f"{PROXY}.example.net": 400,
        "rebound.example.net": 400,
    }
    for name, status in names.items():
        assert pages.ask("/", host=name).status == status
        assert pages.ask("/reports/acme/2024-03-01.html", "HEAD", host=name).status == status
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        for path in ("/", "/health", "/reports/acme/2024-03-01.html"):
            assert pages.ask(path, method).status == 405


@pytest.mark.parametrize("path", ["/", "/health", "/reports/acme/2024-03-01.html", "/reports/none.html"])
def test_only_dbts_page_may_run_a_script_and_none_may_send(pages: Pages, path: str) -> None:
    headers = pages.ask(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    docs = pages.ask("/reports/dbt_docs.html").headers["content-security-policy"]
    assert "script-src 'unsafe-inline' 'unsafe-eval'" in docs
    assert {word for word in docs.replace(";", "").split() if "'" not in word and not word.endswith("-src")} == {
        "base-uri", "form-action", "frame-ancestors", "data:",
    }  # fmt: skip


def test_the_index_leads_with_what_is_not_proven(pages: Pages) -> None:
    page = pages.ask("/").text
    assert "Every report agrees." in page
    assert "Acme &lt;b&gt;&amp; Söhne&lt;/b&gt;" in page
    assert 'href="reports/acme/2024-03-01.html"' in page
    (pages.folder / "zenith").mkdir()
    (pages.folder / "zenith" / "2024-04-01.html").write_text("April")
    breaking = report("break", tenant_id="zenith", tenant_name="Zenith", starting_from="2024-04-01T00:00:00Z")
    (pages.folder / "zenith" / "2024-04-01.json").write_text(breaking)
    (pages.folder / "zenith" / "2024-05-01.json").write_text("{")
    page = pages.ask("/").text
    assert "1 of 2 reports is not proven." in page
    assert page.index("April 2024") < page.index("March 2024")
    assert "1 of 2 agree, 1 break" in page
    assert "zenith/2024-05-01.json" in page


def test_before_the_first_report_it_says_how_one_is_made(tmp_path: Path) -> None:
    page = render_index(read_contents(tmp_path / "reports"))
    assert "No report was written yet" in page
    assert "dbt's documentation is not written yet" in page
