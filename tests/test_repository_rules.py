"""House rules that a machine can check."""

import re
import subprocess
import tomllib
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
from packaging.version import Version

from tally.cli.app import COMMANDS
from tally.settings import Settings

ROOT = Path(__file__).parents[1]
PACKAGES = ("tally", "ingest", "dagster_project", "pages", "stripe_sandbox", "demo")
LONGEST_PYTHON_FILE = 300
LONGEST_SQL_MODEL = 300
NAMES_THAT_SAY_NOTHING = {"utils", "helpers", "common", "misc", "util", "helper"}


def sources(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def test_every_setting_stands_in_the_example_file_and_no_other_does() -> None:
    named = set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    read = {field.alias for field in Settings.model_fields.values()}
    assert named == read


def test_tests_that_need_a_browser_are_where_make_looks_for_them() -> None:
    marked = [path for path in sources("tests/*.py") if "mark." + "browser" in path.read_text()]
    assert {path.parent.name for path in marked} == {"end_to_end"}


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"os\.environ(\.get|\[)|os\.getenv", path.read_text())
    }
    # dbt's profile takes its values from the environment alone: the runner lends them to it and takes them back.
    assert readers == {"tally/ledger/dbt_runner.py"}


def test_no_file_outgrows_its_idea() -> None:
    caps = {".py": LONGEST_PYTHON_FILE, ".sql": LONGEST_SQL_MODEL}
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in sources("*.py", "*.sql")
        if (lines := len(path.read_text().splitlines())) > caps[path.suffix]
    }
    assert long == {}


def test_every_name_says_something() -> None:
    parts = chain.from_iterable(path.relative_to(ROOT).with_suffix("").parts for path in sources("*.py", "*.sql"))
    assert NAMES_THAT_SAY_NOTHING & set(parts) == set()


@pytest.mark.parametrize(("package", "first_broken"), [("dbt-core", "1.12"), ("sqlalchemy", "2.1")])
def test_the_two_caps_hold(package: str, first_broken: str) -> None:
    """pyproject.toml and docs/decisions.md say what breaks beyond each."""
    assert Version(version(package)) < Version(first_broken)


def test_no_outside_host_is_named_in_the_lock_file() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_the_lock_file_pins_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=;]", line)[0].strip().lower().replace("_", "-") for line in declared}
    pinned = {
        line.split("==")[0].split("[")[0]
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line
    }
    assert {name for name in names if name not in pinned} == set()


def test_every_command_of_the_documents_exists() -> None:
    """Each `make x` and `tally x` that a document quotes is a real one; the end-to-end tests run the main ones."""
    commands = set(COMMANDS)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in ("README.md", "RECONCILIATION.md", "CHANGELOG.md"):
        quoted = "\n".join(re.findall(r"```.+?```|`[^`\n]+`", (ROOT / document).read_text(), re.DOTALL))
        assert set(re.findall(r"\bmake ([a-z-]+)", quoted)) - targets == set(), document
        assert set(re.findall(r"\btally ([a-z][a-z-]*)\b(?!\.yaml)", quoted)) - commands == set(), document
