"""Our SQL with the dbt project's own macros in it: an adjustment is dated and valued by the very rules that count."""

from functools import cache
from importlib.resources import files
from typing import LiteralString

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tally.ledger.environment import PROJECT

# What dbt's ref() names for the macros. A template that puts a relation of its own in a model's place says so.
_RELATIONS = {
    "stg_customer_periods": "tally.customer_periods",
    "int_usage_value_counts": "ledger.int_usage_value_counts",
    "int_usage_gauge_readings": "ledger.int_usage_gauge_readings",
}


@cache
def statement(package: str, name: str, **in_place: str) -> LiteralString:
    """`sql/<name>` of `package`, rendered; `in_place` maps a model to the relation that a macro shall read instead.

    As literal as a string in the source: every part of it is ours, and values are bound by the driver.
    """
    relations = _RELATIONS | in_place
    folders = [str(files(package) / "sql"), str(files(__package__) / "sql"), str(PROJECT / "macros")]
    environment = Environment(loader=FileSystemLoader(folders), undefined=StrictUndefined, autoescape=False)
    return environment.get_template(name).render(ref=relations.__getitem__)
