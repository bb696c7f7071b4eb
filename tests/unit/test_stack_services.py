"""The processes of `tally up`."""

from pathlib import Path

from tally.settings import Settings
from tally.stack import services


def test_the_loop_runs_beside_the_door_and_dagster(tmp_path: Path) -> None:
    settings = Settings.model_validate({"TALLY_HOME": tmp_path, "STRIPE_API_KEY": "rk_test_" + "given"})
    listed = services(settings)
    names = ["door", "loop", "metrics", "pages", "dagster-webserver", "dagster-daemon"]
    assert [service.name for service in listed] == names
    assert list(listed[1].command[1:]) == ["-m", "dagster_project.loop"]


def test_without_a_key_the_local_stripe_starts_first(tmp_path: Path) -> None:
    settings = Settings.model_validate({"TALLY_HOME": tmp_path, "STRIPE_API_KEY": None})
    assert services(settings)[0].name == "stripe-sandbox"
