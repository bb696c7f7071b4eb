"""One worker of a delivery: leases turns, claims as many intents, sends them one by one, records what came of them."""

import time
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg

from tally.database import connect
from tally.push.answers import Answer
from tally.push.intents import RESEND_FOR, Claim, claim, record, send
from tally.push.run import Run
from tally.push.stream import MOST_EVENTS, Stream
from tally.push.turns import Turns, gap, note, take, wanted
from tally.stripe.account import CONNECT_TIMEOUT_SECONDS

# Where nothing can be sent at the moment: so often is looked again whether something can.
_LOOK_AGAIN_SECONDS = 0.1

Connection = psycopg.Connection[Any]
Outcomes = list[tuple[Claim, Answer]]


def work(run: Run) -> None:
    """Deliver until nothing is open, time is up, or the account is stopped."""
    stream = Stream(run.account) if run.streams else None
    try:
        with connect(run.url, autocommit=True) as connection:
            while (turns := _next_turns(run, connection)) is not None:
                if not _deliver(run, connection, turns, stream):
                    time.sleep(_LOOK_AGAIN_SECONDS)  # what is free waits for another call about its customer and meter
    finally:
        run.account.close()


def _next_turns(run: Run, connection: Connection) -> Turns | None:
    """Wait for turns; None when the delivery is over, or nothing will be free before time is up."""
    share = 1 if run.streams else wanted(run.account, run.open_at_first // run.workers)
    probe = timedelta(seconds=CONNECT_TIMEOUT_SECONDS + run.account.timeout_seconds)
    while not run.over.is_set():
        turns = take(connection, run.account, run.parameters(), share, probe)
        if turns.answer == "stopped":
            run.stop(str(turns.why))
            return None
        if turns.seconds is None or time.monotonic() + max(turns.seconds, 0.0) >= run.deadline:
            run.held_up = turns.why if turns.answer == "wait" else run.held_up
            return None
        if turns.answer in ("go", "probe"):
            if turns.seconds > 0:
                time.sleep(turns.seconds)
            return turns
        time.sleep(min(max(turns.seconds, 0.01), _LOOK_AGAIN_SECONDS))
    return None


def _deliver(run: Run, connection: Connection, turns: Turns, stream: Stream | None) -> bool:
    """Claim, send and record, each step committed before the next; False when there was nothing to claim."""
    if stream is not None and turns.answer == "go":
        claims = claim(connection, run.parameters(), run.lease, MOST_EVENTS, by_stream=True)
        if claims:
            answer = run.calling(claims, partial(stream.send, claims))
            _hear(run, connection, answer, turns, turns.is_troubled)
            _record(run, connection, [(claimed, answer) for claimed in claims], calls=1)
            return True
    claims = claim(connection, run.parameters(), run.lease, turns.turns)
    if claims:
        outcomes = _send_in_turn(run, connection, claims, turns)
        _record(run, connection, outcomes, calls=sum(answer.kind != "unsent" for _, answer in outcomes))
    return bool(claims)


def _send_in_turn(run: Run, connection: Connection, claims: list[Claim], turns: Turns) -> Outcomes:
    """One call each, a gap apart. Once nobody should call any more, the rest is given back unsent."""
    outcomes: Outcomes = []
    claimed_at = next_at = time.monotonic()
    left_alone, is_troubled = "", turns.is_troubled
    for claimed in claims:
        why_not = left_alone or _why_not(run, claimed, claimed_at)
        if why_not:
            outcomes.append((claimed, Answer("unsent", error=f"not sent: {why_not}")))
            continue
        if (ahead := next_at - time.monotonic()) > 0:
            time.sleep(ahead)
        next_at += gap(run.account)
        answer = run.calling([claimed], partial(send, run.account, claimed))
        outcomes.append((claimed, answer))
        if _hear(run, connection, answer, turns, is_troubled):
            left_alone = f"Stripe is left alone for now, because of {answer.error}"
        is_troubled = answer.found_nobody
    return outcomes


def _why_not(run: Run, claimed: Claim, claimed_at: float) -> str:
    if run.over.is_set():
        return "the delivery was over"
    if time.monotonic() - claimed_at >= run.lease.total_seconds():
        return "its lease ran out before its turn"
    # Between claim and call this process may have stood still for hours; then the identifier is no protection any more.
    if run.clock.now() - claimed.first_attempt_at >= RESEND_FOR + run.lease:
        return "its first attempt is too long ago"
    return ""


def _hear(run: Run, connection: Connection, answer: Answer, turns: Turns, is_troubled: bool) -> bool:
    """Tell all pushers what the answer says about the account, if it is news; True if nobody should call for now."""
    if answer.kind == "stopped":
        run.stop(str(answer.error))
    is_news = is_troubled or answer.kind == "stopped" or answer.found_nobody or answer.holds_up_all
    return is_news and note(connection, run.account, answer, is_probe=turns.answer == "probe")


def _record(run: Run, connection: Connection, outcomes: Outcomes, calls: int) -> None:
    run.add(outcomes, record(connection, outcomes, run.clock.now()), calls)
