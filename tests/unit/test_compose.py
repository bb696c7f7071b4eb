"""docker-compose.yml and the Dockerfile without Docker: the specification's schema, and what the file promises."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema.validators import validator_for

from tally.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_RUNNING = {name: each for name, each in SERVICES.items() if each["restart"] == "unless-stopped"}
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("tallyledger:")}
SECRETS = {
    "STRIPE_API_KEY", "STRIPE_SHADOW_API_KEY", "STRIPE_WEBHOOK_SECRETS", "TALLY_ALERT_SLACK_URL",
    "TALLY_ALERT_WEBHOOK_URL", "TALLY_ALERT_WEBHOOK_SECRET", "TALLY_SMTP_URL",
}  # fmt: skip
# Where things are is the file's own matter, and its clock is the machine's.
NOT_FROM_OUTSIDE = {
    "TALLY_CLOCK", "TALLY_DAGSTER_HOST", "TALLY_DAGSTER_PORT", "TALLY_DOOR_PORT", "TALLY_METRICS_PORT",
    "TALLY_PAGES_PORT", "TALLY_SANDBOX_PORT", "STRIPE_API_BASE",
}  # fmt: skip


def test_it_is_what_the_compose_specification_says() -> None:
    schema = get_builtin_schema("vendor.compose-spec")
    faults = validator_for(schema)(schema).iter_errors(COMPOSE)
    assert [f"{list(fault.absolute_path)}: {fault.message}" for fault in faults] == []


def test_the_schema_finds_faults() -> None:
    schema = get_builtin_schema("vendor.compose-spec")
    assert not validator_for(schema)(schema).is_valid({"services": {"x": {"image": "x", "helthcheck": {}}}})


def test_production_has_these_services_and_tools_and_watching_are_asked_for() -> None:
    by_profile: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        by_profile.setdefault(",".join(service.get("profiles", [])), set()).add(name)
    assert by_profile == {
        "": {"postgres", "migrate", "ingest", "loop", "dagster-webserver", "dagster-daemon", "metrics", "pages"},
        "tools": {"tally", "backup", "restore"},
        "observability": {"prometheus", "grafana"},
    }


def test_every_service_is_hardened_bounded_and_its_log_turns_over() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"] not in {"0", "root", "0:0"}, name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert not {"privileged", "cap_add", "network_mode", "pid", "ipc"} & set(service), name
    for name, service in LONG_RUNNING.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["cpus"], name


def test_nothing_is_published_beyond_this_machine_and_postgres_not_even_to_it() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)
    assert "ports" not in SERVICES["postgres"]
    assert SERVICES["postgres"]["networks"] == ["data"]
    assert COMPOSE["networks"]["data"] == {"internal": True}


def test_secrets_come_from_the_environment_and_only_to_who_needs_them() -> None:
    who_has = {
        name: {secret for secret in SECRETS if secret in service["environment"]} for name, service in OURS.items()
    }
    keys = SECRETS - {"STRIPE_WEBHOOK_SECRETS"}
    assert who_has["ingest"] == {"STRIPE_WEBHOOK_SECRETS"}
    assert {name for name, known in who_has.items() if known == keys} == {"loop", "dagster-daemon", "tally"}
    assert {name for name, known in who_has.items() if not known} == set(OURS) - {
        "ingest", "loop", "dagster-daemon", "tally"
    }  # fmt: skip
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|KEY|SECRET|DATABASE_URL", name) and value is not None:
                assert "${" in value, name
    assert re.findall(r"(?:sk|rk|whsec)_\w+", TEXT) == []


def test_every_setting_reaches_the_services() -> None:
    passed = {name for service in OURS.values() for name in service["environment"]}
    known = {str(field.alias) for field in Settings.model_fields.values()}
    assert known - passed == NOT_FROM_OUTSIDE
    assert {name for name in passed - known if not name.startswith("OTEL_")} == set()


def test_what_is_named_is_there() -> None:
    volumes = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    for source in {re.sub(r"\$\{\w+:-(\w+)\}", r"\1", volume).split(":")[0] for volume in volumes}:
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], source
    for service in SERVICES.values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES)
    assert all(re.search(r":v?\d+\.\d+(\.\d+)?", service["image"]) for service in SERVICES.values())


def test_who_waits_for_health_waits_for_somebody_who_tells_it() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], name
            else:
                assert (how["condition"], other) == ("service_completed_successfully", "migrate")


@pytest.mark.parametrize("job", ["tallyledger-door", "tallyledger-pipeline"])
def test_prometheus_scrapes_services_that_it_can_reach(job: str) -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    [[target]] = [each["static_configs"][0]["targets"] for each in scraped["scrape_configs"] if each["job_name"] == job]
    service, port = target.split(":")
    assert "watch" in SERVICES[service]["networks"]
    assert f":{port}/" in " ".join(SERVICES[service]["healthcheck"]["test"])
    assert "watch" in SERVICES["prometheus"]["networks"]


def test_the_image_is_pinned_runs_as_nobody_in_particular_and_holds_no_secret() -> None:
    lines = (ROOT / "deploy/Dockerfile").read_text().splitlines()
    first = next(line for line in lines if line.startswith("FROM "))
    assert re.fullmatch(r"FROM python:3\.12\.\d+-slim-\w+ AS python", first)
    assert lines[-1] == f"USER {OURS['ingest']['user']}"
    assert not any(line.startswith("ADD ") for line in lines)
    # Nothing is copied that .dockerignore does not name, and it names neither .env nor .git.
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    taken = {line[1:] for line in ignored if line.startswith("!")}
    assert {name for name in taken if not (ROOT / name).exists()} == set()
    assert not {".env", ".git", ".tally"} & taken
