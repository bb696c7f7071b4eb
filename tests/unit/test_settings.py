"""Settings: read once from the environment, refused by name."""

import pytest

from tally.errors import SettingsError
from tally.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def forget() -> None:
    load_settings.cache_clear()


def test_a_malformed_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_DOOR_PORT", "eighty")
    with pytest.raises(SettingsError, match="TALLY_DOOR_PORT"):
        load_settings()


def test_every_malformed_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_DOOR_PORT", "70000")
    monkeypatch.setenv("TALLY_CLOCK", "lunar")
    with pytest.raises(SettingsError, match=r"TALLY_CLOCK.*TALLY_DOOR_PORT"):
        load_settings()


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_settings()
    monkeypatch.setenv("TALLY_DOOR_PORT", "9999")
    assert load_settings() is first


def test_secrets_do_not_print() -> None:
    settings = Settings.model_validate(
        {"STRIPE_API_KEY": "sk_test_hidden", "DATABASE_URL": "postgresql://u:hidden@h/d"}
    )
    assert "hidden" not in repr(settings)
    assert "hidden" not in str(settings.model_dump())


def test_only_the_documented_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """HOME is everybody's variable; `home` is ours alone as TALLY_HOME."""
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(load_settings().home) == ".tally"
