"""What is declared in one reviewed YAML file, and how it gets into the database."""

from tally.configuration.applying import Change, apply, difference
from tally.configuration.document import Adjustments, Configuration, Customer, Tenant, load_configuration
from tally.configuration.meter import Meter, StripeMapping

__all__ = [
    "Adjustments",
    "Change",
    "Configuration",
    "Customer",
    "Meter",
    "StripeMapping",
    "Tenant",
    "apply",
    "difference",
    "load_configuration",
]
