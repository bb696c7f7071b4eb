"""What a line stands on, in a form that can be kept, hashed and compared: JSON whose exact numbers are text."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tally.proof.priced import Priced, terms_as_text
from tally.push.identifiers import as_text

if TYPE_CHECKING:
    from tally.proof.chain import Chain

Facts = Mapping[str, Any]


def facts_of(chain: "Chain") -> dict[str, Any]:
    """What must stay as it is once the invoice is final. An amount is in the currency's minor unit."""
    line, counter, events = chain.line, chain.counter, chain.events
    price = chain.price if isinstance(chain.price, Priced) else None
    return {
        "period_end": line.period_end.isoformat(),
        "invoice_line_id": line.invoice_line_id,
        "invoice_quantity": _text(line.invoice_quantity),
        "invoice_amount": _text(line.invoice_amount),
        "invoice_currency": line.invoice_currency,
        "summary_quantity": _text(line.summary_quantity),
        "event_count": events.count,
        "quantity_sum": _text(events.quantity_sum),
        "events_sha256": events.sha256,
        "event_value": _text(counter.event_value if counter else None),
        "adjustment": _text(counter.adjustment if counter else None),
        "value": _text(counter.value if counter else None),
        "billed_together": _text(chain.together.value),
        # Late events that change nothing are booked by themselves, into their own period, also when that is closed.
        "adjustments": {each.adjustment_id: as_text(each.amount) for each in chain.adjustments if each.amount},
        "intents": {
            each.identifier: {
                "seq": each.seq,
                "value": as_text(each.value),
                "counter_value": as_text(each.counter_value),
                "state": each.state,
                "request_ids": each.request_ids,
            }
            for each in chain.intents
        },
        "price": price and price.terms,
        "priced_amount": price and str(price.amount),
        "rounding": price and price.rounding,
    }


def changes(proven: Facts, now: Facts) -> Iterator[str]:
    """What is not as it was proven, each fact by its name."""
    for name in proven:
        before, after = proven[name], now.get(name)
        if name in ("adjustments", "intents"):
            yield from _changed_members(name.removesuffix("s"), before, after or {})
        elif name == "price" and before and after:
            yield from _changed_price(before, after)
        elif name == "events_sha256" and before != after:
            yield f"events: the hash over their keys and payloads was {before}, it is {after}"
        elif before != after:
            yield f"{name}: proven {_said(before)}, now {_said(after)}"


def fingerprint(row: Mapping[str, Any]) -> str:
    """SHA-256 over a proof's row as JSON: keys sorted, no blanks, times in ISO 8601 with their zone."""
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_iso)
    return hashlib.sha256(text.encode()).hexdigest()


def _changed_members(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in after:
            yield f"{kind} {name}: proven {_said(before[name])}, now gone"
        elif name not in before:
            yield f"{kind} {name}: it was not there when the line was proven"
        elif isinstance(before[name], dict):
            for field in before[name]:
                if before[name][field] != after[name].get(field):
                    yield f"{kind} {name}: {field} proven {before[name][field]}, now {after[name].get(field)}"
        elif before[name] != after[name]:
            yield f"{kind} {name}: proven {before[name]}, now {after[name]}"


def _changed_price(before: Facts, after: Facts) -> Iterator[str]:
    then, now = terms_as_text(before), terms_as_text(after)
    for term in sorted({*then, *now}):
        if then.get(term) != now.get(term):
            yield f"price {before.get('id')}: {term} proven {_said(then.get(term))}, now {_said(now.get(term))}"


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return "nothing" if value is None else str(value)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else as_text(number)


def _iso(value: Any) -> str:
    return str(value.isoformat())
