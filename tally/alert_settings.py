"""The settings of alerts: who is told, how, and from when on something is wrong."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class AlertSettings(BaseSettings):
    """A part of `tally.settings.Settings`."""

    alert_slack_url: SecretStr | None = Field(
        None, alias="TALLY_ALERT_SLACK_URL", description="Slack incoming webhook that is told of alerts; unset: nobody"
    )
    alert_webhook_url: SecretStr | None = Field(
        None, alias="TALLY_ALERT_WEBHOOK_URL", description="https address that is posted each alert, signed"
    )
    alert_webhook_secret: SecretStr | None = Field(
        None, alias="TALLY_ALERT_WEBHOOK_SECRET", description="What those posts are signed with, 16 characters or more"
    )
    alert_email_to: str | None = Field(
        None, alias="TALLY_ALERT_EMAIL_TO", description="Addresses that get each alert, comma between"
    )
    alert_email_from: str | None = Field(None, alias="TALLY_ALERT_EMAIL_FROM", description="Sender of those mails")
    smtp_url: SecretStr | None = Field(
        None,
        alias="TALLY_SMTP_URL",
        description="smtp://user:password@host:587 (STARTTLS), smtps://...:465 (TLS), smtp+plain://host:25 (neither)",
    )
    alert_allow_private: Literal["off", "on"] = Field(
        "off",
        alias="TALLY_ALERT_ALLOW_PRIVATE",
        description="on: Slack's and the webhook's address may be private, loopback or http://",
    )
    alert_cooldown_minutes: int = Field(
        60,
        alias="TALLY_ALERT_COOLDOWN_MINUTES",
        ge=1,
        le=10_080,
        description="Least time between two messages about the same alert, minutes",
    )
    alert_door_url: str | None = Field(
        None,
        alias="TALLY_ALERT_DOOR_URL",
        pattern=r"^(https?://\S+)?$",
        description="The door that is looked at with each evaluation, e.g. http://127.0.0.1:8080; unset: none",
    )
    alert_lag_seconds: int = Field(
        300, alias="TALLY_ALERT_LAG_SECONDS", ge=1, description="Age of an uncounted delivery that is wrong, seconds"
    )
    alert_intent_seconds: int = Field(
        900, alias="TALLY_ALERT_INTENT_SECONDS", ge=1, description="Age of an unanswered push intent that is wrong"
    )
    alert_silence_seconds: int = Field(
        180,
        alias="TALLY_ALERT_SILENCE_SECONDS",
        ge=60,
        description="How long Dagster's sensor of alerts may be silent before that is wrong, seconds",
    )
    alert_refusal_seconds: int = Field(
        300,
        alias="TALLY_ALERT_REFUSAL_SECONDS",
        ge=10,
        description="How long after its last 503 the door still counts as turning requests away, seconds",
    )
