"""What dbt is told about a database, from its URL."""

from pathlib import Path

import pytest

from tally.errors import SettingsError
from tally.ledger import database_environment, dbt_environment
from tally.ledger.environment import PROJECT


def test_a_url_becomes_the_profiles_five_variables() -> None:
    assert database_environment("postgresql://tally:p%40ss@db.example:6543/usage") == {
        "TALLY_DB_HOST": "db.example",
        "TALLY_DB_PORT": "6543",
        "TALLY_DB_USER": "tally",
        "TALLY_DB_PASSWORD": "p@ss",
        "TALLY_DB_NAME": "usage",
    }


def test_tls_parameters_go_to_libpq() -> None:
    environment = database_environment("postgresql://u:p@h/d?sslmode=verify-full&sslrootcert=/ca.pem")
    assert environment["PGSSLMODE"] == "verify-full"
    assert environment["PGSSLROOTCERT"] == "/ca.pem"


def test_a_parameter_that_cannot_be_passed_on_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="gssencmode"):
        database_environment("postgresql://u:p@h/d?gssencmode=require")


def test_every_variable_of_the_profile_is_set(tmp_path: Path) -> None:
    profile = (PROJECT / "profiles.yml").read_text()
    wanted = {part.split("'")[0] for part in profile.split("env_var('")[1:]}
    environment = dbt_environment("postgresql://u:p@h/d", tmp_path)
    assert wanted <= environment.keys()
    assert environment["DBT_PROJECT_DIR"] == str(PROJECT)
