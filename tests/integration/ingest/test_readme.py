"""The README's curl lines do what it says they do."""

import shlex
from datetime import UTC, datetime
from pathlib import Path

import httpx
from door_caller import Caller

from tally.api_keys import create_key

README = Path(__file__).parents[3] / "ingest" / "README.md"


def test_the_curl_lines_of_the_readme_work(door: Caller) -> None:
    lines = [line for line in README.read_text().splitlines() if line.startswith("curl ")]
    key = create_key(door.connection, "acme", "try-out", ["events:write", "events:read", "keys:write"])
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    said = []
    for line in lines:
        for name, value in (("$DOOR", str(door.http.base_url).rstrip("/")), ("$TALLY_KEY", key), ("$NOW", now)):
            line = line.replace(name, value)
        said.append(_curl(shlex.split(line)[1:]).status_code)
    assert said == [200, 207, 400, 200, 200, 200, 200, 200, 200, 201]
    landed = [row["idempotency_key"] for row in door.landed()]
    assert landed == ["0197f3c2-6c1f", "a", "c", "/checkout 7", "order-81:0"]


def _curl(arguments: list[str]) -> httpx.Response:
    """The request that curl would make of these arguments."""
    url, headers, body = "", {}, None
    rest = iter(arguments)
    for argument in rest:
        if argument == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif argument in ("-d", "--data-binary"):
            body = next(rest)
        elif argument != "-i":
            url = argument
    return httpx.request("GET" if body is None else "POST", url, headers=headers, content=body)
