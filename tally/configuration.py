"""The declared configuration: one reviewed YAML file of tenants, meters, customers and price mappings.

Fields, in order, are those of `demo/tally.yaml`, which comments each. `tally apply` shows the difference to the
database first and then writes it (`tally.configuration_apply`).
"""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tally.errors import ConfigurationError

_DURATION = re.compile(r"(\d{1,5})([mhd])")
_UNIT_OF = {"m": "minutes", "h": "hours", "d": "days"}


def _duration(value: Any) -> Any:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("give a duration such as 90m, 48h or 2d")
    return timedelta(**{_UNIT_OF[match[2]]: int(match[1])})


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Zurich")
    return ZoneInfo(value).key


def _decimal(value: Any) -> Any:
    if isinstance(value, float):  # YAML has already lost digits here
        raise ValueError('write the number in quotes, e.g. "0.005", so that it stays exact')
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
ExactDecimal = Annotated[Decimal, BeforeValidator(_decimal)]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class StripeMapping(_Declared):
    """Where a metric's counters go: the Stripe meter with this event name, in this account."""

    event_name: str = Field(min_length=1, max_length=100)
    account: str = Field("self", pattern=r"^(self|acct_\w+)$")


class Meter(_Declared):
    """How a metric is counted."""

    metric: str = Field(pattern=r"^[a-z][a-z0-9_.]{0,99}$")
    aggregation: Literal["count", "sum", "min", "max", "last"]
    unit: str = "unit"
    description: str = ""
    lateness_window: Duration = timedelta(hours=48)
    stripe: StripeMapping | None = None


class Customer(_Declared):
    """Whom the tenant bills."""

    ref: str = Field(min_length=1, max_length=255)
    name: str = ""


class Tenant(_Declared):
    """The company that meters and bills."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    name: str
    time_zone: TimeZone = "UTC"
    epsilon: ExactDecimal = Field(Decimal("0.005"), ge=0, lt=1)
    meters: tuple[Meter, ...] = ()
    customers: tuple[Customer, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Tenant":
        mapped = [(meter.stripe.account, meter.stripe.event_name) for meter in self.meters if meter.stripe]
        _require_unique("meters: metric", [meter.metric for meter in self.meters])
        _require_unique("meters: stripe event_name", mapped)
        _require_unique("customers: ref", [customer.ref for customer in self.customers])
        return self


class Configuration(_Declared):
    """The whole file."""

    tenants: tuple[Tenant, ...]

    @model_validator(mode="after")
    def _tenants_are_unique(self) -> "Configuration":
        if not self.tenants:
            raise ValueError("declare at least one tenant")
        _require_unique("tenants: id", [tenant.id for tenant in self.tenants])
        return self


def load_configuration(path: Path) -> Configuration:
    """Read and check the file.

    Raises:
        ConfigurationError: naming each wrong place as `tenants.0.meters.2.aggregation`, and what it takes.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from None
    try:
        return Configuration.model_validate(document)
    except ValidationError as error:
        faults = [f"  {'.'.join(map(str, fault['loc'])) or '(top)'}: {fault['msg']}" for fault in error.errors()]
        raise ConfigurationError("\n".join([f"{path}:", *faults])) from None


def _require_unique(what: str, values: list[Any]) -> None:
    if repeated := sorted({str(value) for value in values if values.count(value) > 1}):
        raise ValueError(f"{what} is declared twice: {', '.join(repeated)}")
