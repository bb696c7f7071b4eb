"""How `tally explain CUSTOMER METRIC` prints a counter: its events, what is left out and why, what surrounds it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.markup import escape

from tally.cli.output import console, print_table
from tally.explain import Event, Explanation, Total

_WHY = {
    "counted": "",
    "late": "landed when its period took no events any more",
    "filtered": "the meter's filter leaves it out",
    "unmeasurable": "the property that the meter measures is missing or no number",
    "unmetered": "the metric was not declared when it was read: `tally replay` counts it once it is",
    "reversed": "a person took it out",
    "not_yet_counted": "read while a tick was under way",
}


def counter_lines(explanation: Explanation) -> Iterator[dict[str, Any]]:
    """The documents of `--json`, one a line."""
    yield {
        "kind": "counter",
        **explanation.subject.parameters,
        "definition": explanation.definition,
        "counter": explanation.counter,
        "deliveries": explanation.deliveries,
        "told_quantity": explanation.told,
    }
    if explanation.opening:
        yield {"kind": "opening", **asdict(explanation.opening)}
    for event in explanation.events():
        yield {"kind": "event", **asdict(event)}
    for kind, found in (
        ("conflict", explanation.conflicts),
        ("adjustment", explanation.adjustments),
        ("intent", explanation.intents),
    ):
        for each in found:
            yield {"kind": kind, **asdict(each)}
    totals = explanation.totals()
    yield {"kind": "check", "agrees": all(total.agrees for total in totals), "totals": totals}


def print_counter(explanation: Explanation, limit: int) -> None:
    """Tables for a person, with at most `limit` events."""
    _print_counter(explanation)
    _print_events(explanation, limit)
    _print_surroundings(explanation)
    totals = explanation.totals()
    for total in totals:
        if not total.agrees:
            console.print(f"[red]differs:[/red] {_difference(total)}")
    if all(total.agrees for total in totals):
        console.print("[green]agrees:[/green] what is listed, recounted one event at a time, is the counter")
    if not explanation.is_one_moment:
        console.print("a tick is under way: deliveries are compared once all models have read equally far")
    if explanation.has_detached_days:
        console.print("some days' landed rows are archived: equal repeats of those days are counted, not listed")


def _difference(total: Total) -> str:
    listed, ledger = ("none" if each is None else f"{each}" for each in (total.listed, total.ledger))
    return f"{total.name}: listed {listed}, the ledger has {ledger}"


def _print_counter(explanation: Explanation) -> None:
    subject, counter, definition = explanation.subject, explanation.counter, explanation.definition
    console.print(
        f"[bold]{escape(subject.customer_ref)} {escape(subject.metric)}[/bold] "
        f"{subject.period.start:%Y-%m-%d %H:%M:%SZ} to {subject.period.end:%Y-%m-%d %H:%M:%SZ}"
    )
    if definition is None:
        console.print("  the metric is not declared: nothing of it counts")
    else:
        said = {name: value for name, value in asdict(definition).items() if value not in (None, {}, [])}
        console.print("  meter: " + escape(", ".join(f"{name} {value}" for name, value in said.items())))
    if counter is None:
        console.print("  no counter: nothing is counted and nothing booked")
    else:
        console.print(
            f"  value {counter.value:f} = {counter.event_value:f} from {counter.event_count:,} events"
            f" + {counter.adjustment:f} adjustments; takes events until {counter.closes_at:%Y-%m-%d %H:%M:%SZ}"
        )
    if explanation.opening:
        opening = explanation.opening
        console.print(
            f"  opened with {opening.quantity:f}, carried from {opening.event_time:%Y-%m-%d %H:%M:%SZ}"
            f" (event {escape(opening.idempotency_key)})"
        )


def _print_events(explanation: Explanation, limit: int) -> None:
    shown: list[Event] = []
    left_out: list[Event] = []
    for event in explanation.events():
        if len(shown) < limit:
            shown.append(event)
        elif event.outcome != "counted" and len(left_out) < limit:
            left_out.append(event)
    total = sum(explanation.outcomes.values())
    columns = ["key", "event time", "landed", "quantity", "counts", "repeats", "why not"]
    rows = [
        (event.idempotency_key, event.event_time, event.landed_at, event.quantity, event.outcome,
         len(event.duplicates), event.note or _WHY[event.outcome])
        for event in [*shown, *left_out]
    ]  # fmt: skip
    print_table(f"Events ({len(rows):,} of {total:,} shown)", columns, rows)
    console.print("  " + ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(explanation.outcomes.items())))
    arrived = explanation.deliveries
    console.print(
        f"  {arrived.deliveries:,} deliveries = {arrived.events:,} events + {arrived.duplicates:,} duplicates"
        f" + {arrived.conflicts:,} conflicts"
    )


def _print_surroundings(explanation: Explanation) -> None:
    if explanation.conflicts:
        columns = ["key", "landed", "customer", "metric", "quantity", "event time", "decision"]
        conflicts = [
            (each.idempotency_key, each.landed_at, each.customer_ref, each.metric, each.quantity, each.event_time,
             each.decision or "open")
            for each in explanation.conflicts
        ]  # fmt: skip
        print_table("Conflicting deliveries: they count nothing", columns, conflicts)
    if explanation.adjustments:
        columns = ["adjustment", "amount", "reason", "state", "booked into", "counts here", "events"]
        adjustments = [
            (each.adjustment.adjustment_id, each.adjustment.amount, each.adjustment.reason, each.adjustment.state,
             each.adjustment.booked_start, "yes" if each.counts_here else "no", len(each.events))
            for each in explanation.adjustments
        ]  # fmt: skip
        print_table("Adjustments", columns, adjustments)
    if explanation.intents:
        columns = ["account", "live", "seq", "delta", "counter then", "state", "confirmed", "identifier"]
        intents = [
            (each.account, "yes" if each.livemode else "no", each.seq, each.value, each.counter_value, each.state,
             each.confirmed_at, each.identifier)
            for each in explanation.intents
        ]  # fmt: skip
        print_table(f"Stripe was told {explanation.told:f}", columns, intents)
