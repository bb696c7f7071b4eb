"""STRIPE_WEBHOOK_SECRETS: read by account and mode; what is wrong is named by its place, never by what it holds."""

import pytest

from tally.errors import SettingsError
from tally.settings import Settings
from tally.webhook_secrets import WebhookSecret, webhook_secrets


def read(text: str | None) -> object:
    return webhook_secrets(Settings.model_validate({} if text is None else {"STRIPE_WEBHOOK_SECRETS": text}))


def test_several_secrets_of_one_account_and_mode_stand_side_by_side() -> None:
    given = "self:test:whsec_a self:live:whsec_b\n self:test:whsec_c acct_1:live:whsec_d shadow:acct_2:test:whsec_e"
    assert read(given) == {
        "self": (WebhookSecret(False, "whsec_a"), WebhookSecret(True, "whsec_b"), WebhookSecret(False, "whsec_c")),
        "acct_1": (WebhookSecret(True, "whsec_d"),),
        "shadow:acct_2": (WebhookSecret(False, "whsec_e"),),
    }
    assert read(None) == read("") == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("cus_1:test:whsec_hidden", "no account"),
        ("self:sandbox:whsec_hidden", "neither live nor test"),
        ("self:test:sk_hidden", "no whsec_"),
        ("shadow:live:whsec_hidden", "never live"),
        ("whsec_hidden", "no account"),
    ],
)
def test_a_malformed_entry_is_named_by_its_place(wrong: str, said: str) -> None:
    with pytest.raises(SettingsError, match=rf"STRIPE_WEBHOOK_SECRETS, entry 2: .*{said}") as refused:
        read(f"self:test:whsec_fine {wrong}")
    assert "hidden" not in str(refused.value)
    assert "hidden" not in repr(WebhookSecret(True, "whsec_hidden"))
