"""The code location, loaded once, with a home of its own and no database anywhere."""

from pathlib import Path

import dagster as dg
import pytest

from tally.settings import load_settings


@pytest.fixture(scope="session")
def definitions(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> dg.Definitions:
    home = tmp_path_factory.mktemp("home")
    (home / "dbt").symlink_to(dbt_folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TALLY_HOME", str(home))
        # Nothing answers there: loading must not need a database, nor start an embedded one.
        environment.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
        load_settings.cache_clear()
        from dagster_project.definitions import defs

        loaded = defs()
    load_settings.cache_clear()
    return loaded
