"""The declared configuration: one reviewed YAML file of tenants, meters, customers and price mappings.

Fields, in order, are those of `demo/tally.yaml`, which comments each. `tally apply` shows the difference to the
database first and then writes it (`tally.configuration.applying`).
"""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from tally.configuration.alerts import UsageAlert
from tally.configuration.closing import TenantClosing
from tally.configuration.meter import Meter
from tally.configuration.usage_checks import UsageCheckLimits
from tally.declared_values import Declared, Duration, Text, TimeZone, require_unique
from tally.declared_values import ExactDecimal as ExactDecimal
from tally.errors import ConfigurationError
from tally.plain_yaml import read_yaml


class Customer(Declared):
    """Whom the tenant bills."""

    ref: Text = Field(min_length=1, max_length=255)
    name: Text = ""


class Adjustments(Declared):
    """Where an approved adjustment is booked, and whether somebody else than its maker has to approve it."""

    book_into: Literal["current_period", "own_period_if_open", "next_period"] = "current_period"
    second_person: bool = False


class Tenant(Declared):
    """The company that meters and bills."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    name: Text
    time_zone: TimeZone = "UTC"
    calendar_period: Literal["month", "week", "day"] = "month"
    epsilon: ExactDecimal = Field(Decimal("0.005"), ge=0, lt=1)
    lag_budget: Duration = timedelta(minutes=15)
    adjustments: Adjustments = Adjustments()
    closing: TenantClosing = TenantClosing()
    usage_checks: UsageCheckLimits = UsageCheckLimits()
    meters: tuple[Meter, ...] = ()
    customers: tuple[Customer, ...] = ()
    alerts: tuple[UsageAlert, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Tenant":
        mappings = [meter.stripe for meter in self.meters if meter.stripe]
        shadows = [mapping.shadow for mapping in mappings if mapping.shadow]
        require_unique("meters: metric", [meter.metric for meter in self.meters])
        for name, targets in (("stripe event_name", mappings), ("stripe shadow event_name", shadows)):
            require_unique(f"meters: {name}", [(target.account, target.event_name) for target in targets])
        require_unique("customers: ref", [customer.ref for customer in self.customers])
        require_unique("alerts: name", [alert.name for alert in self.alerts])
        return self

    @model_validator(mode="after")
    def _alerts_are_about_meters(self) -> "Tenant":
        aggregations = {meter.metric: meter.aggregation for meter in self.meters}
        for alert in self.alerts:
            if alert.metric not in aggregations:
                raise ValueError(f"alerts: {alert.name}: no meter has the metric {alert.metric!r}")
            if alert.kind == "spike" and aggregations[alert.metric] not in ("count", "sum"):
                raise ValueError(f"alerts: {alert.name}: days add up under count and sum only, take a threshold")
        return self


class Configuration(Declared):
    """The whole file."""

    tenants: tuple[Tenant, ...]

    @model_validator(mode="after")
    def _tenants_are_unique(self) -> "Configuration":
        if not self.tenants:
            raise ValueError("declare at least one tenant")
        require_unique("tenants: id", [tenant.id for tenant in self.tenants])
        return self


def load_configuration(path: Path) -> Configuration:
    """Read and check the file.

    Raises:
        ConfigurationError: naming each wrong place as `tenants.0.meters.2.aggregation`, and what it takes.
    """
    try:
        document = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from None
    try:
        return Configuration.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError("\n".join([f"{path}:", *map(_fault, error.errors())])) from None


def _fault(fault: ErrorDetails) -> str:
    place = ".".join(map(str, fault["loc"])) or "(top)"
    return f"  {place}: {fault['msg'].removeprefix('Value error, ')}"
