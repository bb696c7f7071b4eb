"""Every setting, in one typed place, read once from the environment.

A missing or malformed value stops the start and names its variable. `.env.example` lists the same
variables; a test holds the two together.
"""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from tally.alert_settings import AlertSettings
from tally.errors import SettingsError


class Settings(AlertSettings):
    """Settings of every process: door, ledger ticks, pushes, CLI."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: SecretStr | None = Field(
        None, alias="DATABASE_URL", description="Postgres 15 or newer; unset: an embedded server under TALLY_HOME"
    )
    home: Path = Field(
        Path(".tally"), alias="TALLY_HOME", description="Folder of the embedded Postgres, logs and reports"
    )
    clock: Literal["system", "simulated"] = Field(
        "system", alias="TALLY_CLOCK", description="simulated: time stands where the database's clock row was put"
    )

    door_host: str = Field("127.0.0.1", alias="TALLY_DOOR_HOST", description="Address the ingest door binds to")
    door_port: int = Field(8080, alias="TALLY_DOOR_PORT", ge=0, le=65535, description="Port of the ingest door")
    max_body_bytes: int = Field(
        2_097_152, alias="TALLY_MAX_BODY_BYTES", ge=1024, description="Largest request body, bytes"
    )
    max_batch_events: int = Field(1000, alias="TALLY_MAX_BATCH_EVENTS", ge=1, description="Most events in one request")
    max_properties_bytes: int = Field(
        4096,
        alias="TALLY_MAX_PROPERTIES_BYTES",
        ge=2,
        description="Largest properties object of an event, bytes of JSON",
    )
    event_max_age_days: int = Field(
        35,
        alias="TALLY_EVENT_MAX_AGE_DAYS",
        ge=1,
        le=36500,
        description="Oldest event_time taken, days (Stripe's own bound: 35)",
    )
    event_max_ahead_seconds: int = Field(
        300,
        alias="TALLY_EVENT_MAX_AHEAD_SECONDS",
        ge=0,
        le=31_536_000,
        description="How far event_time may lie ahead, seconds (Stripe: 300)",
    )
    max_queued_events: int = Field(
        100_000,
        alias="TALLY_MAX_QUEUED_EVENTS",
        ge=1,
        description="Events that may wait for a commit before the door answers 503",
    )
    max_connections: int = Field(
        10_000,
        alias="TALLY_MAX_CONNECTIONS",
        ge=1,
        description="Connections that the door holds open at once; past it a new one is answered 503 and closed",
    )
    max_tenant_labels: int = Field(
        100,
        alias="TALLY_MAX_TENANT_LABELS",
        ge=0,
        description="Tenants that metrics tell apart (at the door the first to post, else the oldest)",
    )
    key_events_per_second: int = Field(
        0,
        alias="TALLY_KEY_EVENTS_PER_SECOND",
        ge=0,
        description="Events a second of one API key at one door, unless the key has its own limit; 0: no limit",
    )
    key_burst: int = Field(
        10_000,
        alias="TALLY_KEY_BURST",
        ge=1,
        description="Events that a limited key may post at once after a pause, at least those of a second",
    )

    raw_retention_days: int | None = Field(
        None,
        alias="TALLY_RAW_RETENTION_DAYS",
        ge=1,
        description="Age at which `tally retention --detach` archives landed rows, days; unset: kept for ever",
    )
    report_retention_days: int | None = Field(
        None,
        alias="TALLY_REPORT_RETENTION_DAYS",
        ge=1,
        description="Age at which `tally reports prune` lets the lines of reports go, days; unset: kept for ever",
    )

    stripe_api_key: SecretStr | None = Field(
        None, alias="STRIPE_API_KEY", description="Secret or restricted key; unset: nothing is pushed"
    )
    stripe_shadow_api_key: SecretStr | None = Field(
        None,
        alias="STRIPE_SHADOW_API_KEY",
        description="Test key of the account that shadow mappings push to, beside the live one; unset: nothing",
    )
    stripe_api_base: str | None = Field(
        None, alias="STRIPE_API_BASE", description="Another Stripe address, e.g. the local Stripe's"
    )
    stripe_webhook_secrets: SecretStr | None = Field(
        None,
        alias="STRIPE_WEBHOOK_SECRETS",
        description="Signing secrets of webhook endpoints, account:mode:whsec_... each; unset: the door takes none",
    )
    stripe_timeout_seconds: int = Field(
        10, alias="TALLY_STRIPE_TIMEOUT_SECONDS", ge=1, description="Time-out of one Stripe call"
    )
    stripe_read_allowance: int | None = Field(
        None,
        alias="TALLY_STRIPE_READ_ALLOWANCE",
        ge=1,
        description="GETs that Stripe allows in 30 days; unset: its rule, 500 per transaction, at least 10,000",
    )
    push_workers: int = Field(
        8, alias="TALLY_PUSH_WORKERS", ge=1, le=64, description="Parallel deliveries to Stripe, serial per counter"
    )
    push_live_per_second: float | None = Field(
        None,
        alias="TALLY_PUSH_LIVE_PER_SECOND",
        gt=0,
        description="Meter events a second to a live account, of all pushers together; unset: Stripe's 1000",
    )
    push_connect_per_second: float | None = Field(
        None,
        alias="TALLY_PUSH_CONNECT_PER_SECOND",
        gt=0,
        description="The same for each connected live account; unset: Stripe's 100 without the 10 that reads take",
    )
    push_test_per_second: float | None = Field(
        None,
        alias="TALLY_PUSH_TEST_PER_SECOND",
        gt=0,
        description="The same in test mode; unset: Stripe's 25 without the 5 that reads take",
    )
    push_stream: Literal["off", "on"] = Field(
        "off",
        alias="TALLY_PUSH_STREAM",
        description="on: live accounts get their meter events by Stripe's v2 stream, a hundred a call",
    )

    tick_seconds: float = Field(
        1.0,
        alias="TALLY_TICK_SECONDS",
        ge=0.1,
        le=3600,
        description="How often the resident loop looks for landed rows and counts them, seconds",
    )
    push_seconds: int = Field(
        60,
        alias="TALLY_PUSH_SECONDS",
        ge=1,
        le=86_400,
        description="Least time between two pushes that the sensor starts beside the loop, seconds",
    )

    silence_factor: float = Field(
        3.0,
        alias="TALLY_SILENCE_FACTOR",
        gt=1,
        description="A sender is silent after this many times its usual gap, and longer than ever in two weeks",
    )
    volume_factor: float = Field(
        5.0,
        alias="TALLY_VOLUME_FACTOR",
        gt=0,
        description="A day's usage is unusual this many deviations from the median of the weeks before",
    )
    duplicate_ratio: Decimal = Field(
        Decimal("0.2"),
        alias="TALLY_DUPLICATE_RATIO",
        ge=0,
        le=1,
        description="Share of a counter's deliveries that may be repeats before a check says so",
    )
    late_ratio: Decimal = Field(
        Decimal("0.01"),
        alias="TALLY_LATE_RATIO",
        ge=0,
        le=1,
        description="Share of a counter's events that may come too late before a check says so",
    )

    metrics_host: str = Field(
        "127.0.0.1", alias="TALLY_METRICS_HOST", description="Address that the pipeline's metrics are served at"
    )
    metrics_port: int = Field(
        8081, alias="TALLY_METRICS_PORT", ge=0, le=65535, description="Port of the pipeline's metrics"
    )
    pages_host: str = Field(
        "127.0.0.1", alias="TALLY_PAGES_HOST", description="Address that reports and dbt's documentation are served at"
    )
    pages_port: int = Field(
        8082, alias="TALLY_PAGES_PORT", ge=1, le=65535, description="Port of the reports and dbt's documentation"
    )
    pages_url: str | None = Field(
        None,
        alias="TALLY_PAGES_URL",
        pattern=r"^https?://[^/\s]+/?$",
        description="Where people reach them from elsewhere, for links; unset: http, the host and the port",
    )
    dagster_host: str = Field("127.0.0.1", alias="TALLY_DAGSTER_HOST", description="Address of the Dagster UI")
    dagster_port: int = Field(3000, alias="TALLY_DAGSTER_PORT", ge=0, le=65535, description="Port of the Dagster UI")
    dagster_automation: Literal["on", "off"] = Field(
        "on", alias="TALLY_DAGSTER_AUTOMATION", description="off: Dagster's sensors and schedules start switched off"
    )
    dagster_months: str = Field(
        "2024-01",
        alias="TALLY_MONTHS",
        pattern=r"^\d{4}-(0[1-9]|1[0-2])(\.\.\d{4}-(0[1-9]|1[0-2]))?$",
        description="Months to reconcile, by period start in UTC: the first (it goes on to now), or 2013-01..2013-02",
    )
    sandbox_port: int = Field(12111, alias="TALLY_SANDBOX_PORT", ge=0, le=65535, description="Port of the local Stripe")
    traces: Literal["off", "on"] = Field(
        "off", alias="TALLY_TRACES", description="on: traces of OpenTelemetry, from door over tick to push, by OTLP"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="TALLY_LOG_LEVEL", description="Least level logged"
    )


@cache
def load_settings() -> Settings:
    """The settings of this process, read from the environment at the first call.

    Raises:
        SettingsError: naming every variable that is missing or malformed.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(f"settings: {faults}. See .env.example for what each variable takes.") from None
