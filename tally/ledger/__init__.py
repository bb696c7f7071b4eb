"""The ledger: dbt models that turn landed deliveries into counters, run from here without dbt's start-up cost."""

from tally.ledger.environment import database_environment, dbt_environment
from tally.ledger.ledger import Ledger
from tally.ledger.results import Build, ModelRun, TestResult, Tick

__all__ = ["Build", "Ledger", "ModelRun", "TestResult", "Tick", "database_environment", "dbt_environment"]
