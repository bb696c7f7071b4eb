"""What must hold when a run has come to rest: Stripe's own record of what it counted, against the counters."""

from collections import Counter as Tally
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tally.push import PlanResult
from tests.simulation.world import FORMULAS, PERIODS, TENANT, World

OURS = "tl1."
_VOID = ("refused", "missing", "cancelled", "rejected", "superseded")
_KEYS = "customer_ref, metric, period_start"
_INTENTS = f"""
select {_KEYS}, seq, value, state, confirmed_by, identifier, intent_id, attempts,
    stripe_customer_id, event_name, coalesce(absolute_value, value) as sent, event_ts
from tally.push_intents order by {_KEYS}, seq
"""
_SENT_LATE = """
select intent.customer_ref || ' ' || intent.metric || ' seq ' || intent.seq from tally.push_intents as intent
inner join tally.push_attempts as attempt using (intent_id)
where coalesce(attempt.outcome, 'unknown') not in ('refused', 'unsent') -- it was certain that it had not arrived
group by intent.intent_id, intent.customer_ref, intent.metric, intent.seq
having max(attempt.started_at) - min(attempt.started_at) >= interval '20 hours'
"""
# When everything works again, and a person has resumed what was stopped, nothing holds the account up.
_HELD_UP = "select stopped_because, failures from tally.push_accounts where stopped_at is not null or failures >= 5"

Key = tuple[str, str, datetime]


@dataclass
class Verdict:
    """`violations` in words; `frozen` are the keys that wait for a person, each of which must be listed."""

    violations: list[str] = field(default_factory=list)
    applied_twice: int = 0
    missing: int = 0
    frozen: list[Key] = field(default_factory=list)
    late: list[Key] = field(default_factory=list)
    intents: list[Any] = field(default_factory=list)
    states: Tally[str] = field(default_factory=Tally)


def judge(world: World, last_plan: PlanResult) -> Verdict:
    """The whole equality, exactly."""
    verdict = Verdict()
    events = world.events()
    counted = {event["identifier"]: event["applied_count"] for event in events if event["identifier"].startswith(OURS)}
    applied = _applied_by_key(world, events)
    verdict.intents = world.admin.execute(_INTENTS).fetchall()
    counters = {
        (row[0], row[1], row[2]): row[3]
        for row in world.admin.execute(
            f"select {_KEYS}, value from marts.usage_counters where tenant_id = %s", (TENANT,)
        ).fetchall()
    }
    held = {
        (each.counter.customer_ref, each.counter.metric, each.counter.period_start): each for each in last_plan.held
    }
    told: dict[Key, Decimal] = {}
    for customer_ref, metric, start, seq, value, state, confirmed_by, identifier, *_ in verdict.intents:
        key, times = (customer_ref, metric, start), counted.get(identifier, 0)
        name = f"{customer_ref} {metric} {start:%Y-%m} seq {seq} ({state})"
        verdict.states[f"{state} by {confirmed_by}" if confirmed_by else state] += 1
        if state not in _VOID:
            told[key] = told.get(key, Decimal(0)) + value
        if times > 1:
            verdict.applied_twice += 1
            verdict.violations.append(f"{name}: {value} was counted {times} times")
        # A newest value that changes nothing leaves the total as it is, arrived or not: no more can be known of it.
        is_unseen = FORMULAS[metric] == "last" and value == 0 and confirmed_by == "summary"
        if state == "confirmed" and times == 0 and not is_unseen:
            verdict.missing += 1
            verdict.violations.append(f"{name}: {value} is confirmed and was never counted")
        # What a newer value superseded may have been counted: the newer one is the last all the same.
        if state in _VOID and state != "superseded" and times > 0:
            verdict.violations.append(f"{name}: {value} is taken for not sent and was counted")
        if state == "disputed":
            verdict.frozen.append(key)
        elif state not in ("confirmed", *_VOID):
            verdict.violations.append(f"{name}: not settled although everything works again")
    for key in sorted(counters.keys() | told.keys() | applied.keys()):
        _judge_key(
            verdict, key, (counters.get(key, Decimal(0)), told.get(key, Decimal(0)), applied.get(key, Decimal(0))), held
        )
    verdict.violations += _mixed_up(verdict.intents, events)
    verdict.violations += [f"the account is left {row}" for row in world.admin.execute(_HELD_UP).fetchall()]
    known = {row[7] for row in verdict.intents}
    verdict.violations += [f"{identifier} was counted and is in no ledger" for identifier in counted.keys() - known]
    verdict.violations += [
        f"{name}: sent again 20 hours after its first attempt" for (name,) in world.admin.execute(_SENT_LATE)
    ]
    return verdict


def _judge_key(verdict: Verdict, key: Key, amounts: tuple[Decimal, Decimal, Decimal], held: dict[Key, Any]) -> None:
    counter, told, applied = amounts
    name = f"{key[0]} {key[1]} {key[2]:%Y-%m}"
    if key in verdict.frozen:
        if key not in held and counter != told:
            verdict.violations.append(f"{name}: frozen, and not listed as held back")
        return
    if applied != told:
        verdict.missing += applied < told
        verdict.violations.append(f"{name}: told {told}, Stripe counted {applied}")
    if counter == told:
        return
    if key in held and held[key].reason == "period_closed":
        verdict.late.append(key)
    else:
        reason = held[key].reason if key in held else "not listed"
        verdict.violations.append(f"{name}: counter is {counter}, told is {told}: {reason}")


def _mixed_up(intents: list[Any], events: list[dict[str, Any]]) -> list[str]:
    """Every arrival under an intent's identifier carries that intent's payload, and no other one's."""
    payloads = {row[7]: (row[10], row[11], row[12], int(row[13].timestamp())) for row in intents}
    found = []
    for event in events:
        for arrival in event["arrivals"]:
            payload = arrival["payload"]
            carried = (
                payload["stripe_customer_id"], arrival["event_name"], Decimal(payload["value"]), arrival["timestamp"],
            )  # fmt: skip
            if payloads.get(event["identifier"], carried) != carried:
                found.append(f"{event['identifier']} arrived with {carried}, not {payloads[event['identifier']]}")
    return found


def _applied_by_key(world: World, events: list[dict[str, Any]]) -> dict[Key, Decimal]:
    """What Stripe makes of our events: their sum, or for a meter of formula last the value of the last moment."""
    refs = {stripe_id: ref for ref, stripe_id in world.customers.items()}
    points: dict[Key, list[tuple[int, Decimal]]] = {}
    for event in events:
        for arrival in event["arrivals"]:
            if arrival["outcome"] == "applied" and event["identifier"].startswith(OURS):
                at = datetime.fromtimestamp(arrival["timestamp"], UTC)
                start = next(start for start, end in PERIODS if start <= at < end)
                key = (refs[arrival["customer"]], arrival["event_name"], start)
                points.setdefault(key, []).append((arrival["timestamp"], Decimal(arrival["value"])))
    return {
        key: max(values)[1] if FORMULAS[key[1]] == "last" else sum((value for _, value in values), Decimal(0))
        for key, values in points.items()
    }
