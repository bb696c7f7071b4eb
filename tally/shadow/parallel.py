"""Doing beside the live account what is done for it. A shadow that is closed or fails says so and holds nothing up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import psycopg
import stripe

from tally.errors import ShadowClosed
from tally.settings import Settings
from tally.stripe.account import StripeAccount, open_account

Result = TypeVar("Result")


@dataclass(frozen=True)
class Shadowed(Generic[Result]):
    """What the work came to in one shadow account: a result, or the reason why there is none."""

    account: str
    result: Result | None
    failure: str | None


def shadow_accounts(connection: psycopg.Connection, tenant_id: str | None = None) -> list[tuple[str, str]]:
    """Every (tenant_id, account) that an active shadow mapping names; of one tenant or of all."""
    return connection.execute(
        "select distinct tenant_id, account from tally.push_mappings"
        " where active and tally.is_shadow(account) and (%(tenant_id)s::text is null or tenant_id = %(tenant_id)s)"
        " order by tenant_id, account",
        {"tenant_id": tenant_id},
    ).fetchall()


def in_shadows(
    settings: Settings, connection: psycopg.Connection, tenant_id: str, work: Callable[[StripeAccount], Result]
) -> list[Shadowed[Result]]:
    """Do `work` in each of the tenant's shadow accounts. Do the live account's first: this never raises for Stripe."""
    done = []
    for _, name in shadow_accounts(connection, tenant_id):
        try:
            account = open_account(settings, name)
        except ShadowClosed as closed:
            done.append(Shadowed[Result](name, None, str(closed)))
            continue
        try:
            done.append(Shadowed(name, work(account), None))
        except stripe.StripeError as error:
            done.append(Shadowed[Result](name, None, f"{type(error).__name__}: {error.user_message or error}"))
        finally:
            account.close()
    return done
