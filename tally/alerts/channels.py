"""The channels that the settings name."""

from pydantic import SecretStr

from tally.alerts.mail import Mail
from tally.alerts.message import Channel
from tally.alerts.signed_webhook import SignedWebhook
from tally.alerts.slack import Slack
from tally.errors import SettingsError
from tally.settings import Settings

SHORTEST_SECRET = 16


def channels(settings: Settings) -> list[Channel]:
    """Every channel that is set up; empty: nobody is told.

    Raises:
        SettingsError: one is set up by half, or its address is none; names the variable.
    """
    allow_private = settings.alert_allow_private == "on"
    found: list[Channel] = []
    if url := _given(settings.alert_slack_url):
        found.append(Slack(url, allow_private=allow_private))
    if url := _given(settings.alert_webhook_url):
        secret = _given(settings.alert_webhook_secret)
        if secret is None or len(secret.get_secret_value()) < SHORTEST_SECRET:
            raise SettingsError(
                f"TALLY_ALERT_WEBHOOK_SECRET: TALLY_ALERT_WEBHOOK_URL needs one of {SHORTEST_SECRET} characters or more"
            )
        found.append(SignedWebhook(url, secret, allow_private=allow_private))
    if settings.alert_email_to:
        recipients = [address.strip() for address in settings.alert_email_to.split(",") if address.strip()]
        server = _given(settings.smtp_url)
        if server is None or not settings.alert_email_from:
            raise SettingsError("TALLY_ALERT_EMAIL_TO needs TALLY_SMTP_URL and TALLY_ALERT_EMAIL_FROM beside it")
        found.append(Mail(server, settings.alert_email_from, recipients))
    return found


def _given(secret: SecretStr | None) -> SecretStr | None:
    """None for an empty one too: a compose file hands over what is not set as empty text."""
    return secret if secret is not None and secret.get_secret_value() else None
