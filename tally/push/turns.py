"""Turns to call Stripe, shared by every pusher of an account: its rate, its pauses, its circuit breaker and its stop.

All of it is one row of tally.push_accounts. It knows that calls are made and how they ended, never what they carry: an
intent whose call failed is claimed anew like any other, so nothing can reach Stripe under another one's name.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

from tally.push.answers import Answer
from tally.push.statements import statement
from tally.stripe.account import StripeAccount

# So many connection errors or 5xx in a row, by all pushers together, and only one call at a time looks for Stripe.
OPEN_FROM = 5
LONGEST_PAUSE = timedelta(seconds=60)
# What one worker leases and claims at once: a fifth of a second's calls, and few enough that a crash leaves few behind,
# which are sent again under the same identifiers.
_LEASED_FOR_SECONDS = 0.2
_MOST_TURNS = 25

_KNOW = "insert into tally.push_accounts (account, livemode) values (%s, %s) on conflict do nothing"


@dataclass(frozen=True)
class Turns:
    """What `take` gave.

    go, probe: `turns` calls may go out, the first in `seconds`, each further one `gap` later. wait: nothing may for
    `seconds`, because of `why`. stopped: nothing may until a person or another key resumes the account. nothing: no
    intent is free; the first will be in `seconds`, None where none is open.
    """

    answer: Literal["go", "probe", "wait", "stopped", "nothing"]
    turns: int
    seconds: float | None
    why: str | None
    is_troubled: bool


def know(connection: psycopg.Connection[Any], account: StripeAccount) -> None:
    """Make sure that the account has its row."""
    connection.execute(_KNOW, (account.account, account.livemode))


def gap(account: StripeAccount) -> float:
    """Seconds between two calls at the account's rate."""
    return 1 / account.pushes_per_second if account.pushes_per_second else 0.0


def wanted(account: StripeAccount, share: int, most: int = _MOST_TURNS) -> int:
    """How many turns to lease at once for `share` intents."""
    in_time = most if account.pushes_per_second is None else int(account.pushes_per_second * _LEASED_FOR_SECONDS)
    return max(1, min(most, in_time, share))


def take(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    parameters: dict[str, Any],
    turns: int,
    probe: timedelta,
) -> Turns:
    """Lease up to `turns`; `probe` is how long a call that looks for Stripe may take. Committed when it returns."""
    asked = parameters | {
        "wanted": turns,
        "gap": gap(account),
        "key_id": account.key_id,
        "open_from": OPEN_FROM,
        "probe": probe,
    }
    with connection.cursor(row_factory=class_row(Turns)) as cursor:
        row = cursor.execute(statement("turns.sql"), asked).fetchone()
    assert row is not None, f"account {account.account} has no row in tally.push_accounts"
    return row


def note(connection: psycopg.Connection[Any], account: StripeAccount, answer: Answer, *, is_probe: bool) -> bool:
    """Tell all pushers what an answer says about the account; True if nobody should call it for now.

    `is_probe`: the call looked whether Stripe answers again.
    """
    kind = _said(answer)
    told = {
        "account": account.account,
        "livemode": account.livemode,
        "key_id": account.key_id,
        "kind": kind,
        "is_probe": is_probe,
        "reason": f"429 {answer.limit}" if kind == "paused" else answer.error,
        "pause": timedelta(seconds=answer.pause_seconds or 0),
        "open_from": OPEN_FROM,
        "longest_pause": LONGEST_PAUSE,
    }
    row = connection.execute(statement("account_answer.sql"), told).fetchone()
    return kind in ("paused", "stopped") or bool(row and row[0])


def _said(answer: Answer) -> Literal["answered", "failed", "paused", "stopped"]:
    if answer.kind == "stopped":
        return "stopped"
    if answer.holds_up_all:
        return "paused"
    return "failed" if answer.found_nobody else "answered"
