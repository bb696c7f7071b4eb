"""Which Stripe mode a command works in: a banner over what it prints, so that nobody takes a shadow for the bill."""

from collections.abc import Iterable
from typing import Any

from tally.cli.output import console
from tally.shadow.parallel import Shadowed
from tally.stripe.account import StripeAccount

_STYLES = {"live": "bold white on red", "test": "bold white on blue", "shadow": "bold black on yellow"}
_MEANINGS = {
    "live": "customers are billed",
    "test": "nobody is billed",
    "shadow": "a test account beside the live one; nobody is billed",
}


def banner(account: StripeAccount) -> str:
    """The account, its mode, and what that means; in Rich's markup."""
    mode = account.mode
    return f"[{_STYLES[mode]}] {mode.upper()} mode [/] Stripe account {account.account}: {_MEANINGS[mode]}"


def print_closed_shadows(closed: Iterable[Shadowed[Any]]) -> None:
    """Say which shadow accounts were left out, and why."""
    for shadow in closed:
        console.print(f"[{_STYLES['shadow']}] SHADOW closed [/] {shadow.account}: {shadow.failure}")
