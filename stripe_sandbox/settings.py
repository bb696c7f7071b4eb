"""Every knob of the sandbox, its unit, and why its default is what it is. Changed through /_sandbox/settings."""

from dataclasses import asdict, dataclass, fields
from typing import Any

DAY_SECONDS = 24 * 3600.0


@dataclass
class Settings:
    # Real seconds between accepting a meter event and counting it. Stripe publishes no figure; nothing may rely on 0.
    apply_lag_seconds: float = 0.2
    # Added to the lag of each event, drawn anew from 0 to this: above 0, events overtake each other.
    apply_lag_spread_seconds: float = 0.0
    # Instead of by chance, every second event takes the whole spread: each pair is counted in the wrong order.
    apply_out_of_order: bool = False
    # Real seconds that a summary lags behind what is counted, as a view that is refreshed later. Invoices do not.
    summary_lag_seconds: float = 0.0
    # Stripe promises uniqueness for "at least 24 hours": after it, the same identifier is accepted and counts again.
    identifier_window_seconds: float = DAY_SECONDS
    # Whether the v2 stream drops an identifier that arrived before, by whichever way, and whether a single event is
    # checked against what came by the stream. Undocumented; counting it again is the harsher reading of both.
    stream_knows_identifiers: bool = False
    single_events_know_the_stream: bool = False
    # Whether two event names may use the same identifier. Undocumented; refusing the second one is the harsher reading.
    identifier_per_event_name: bool = False
    # Whether a cancelled event's identifier may be used again. Not, by default: who corrects an event under its own
    # identifier is told "duplicate", and the correction is lost.
    cancelled_identifier_is_free: bool = False
    # A meter event's timestamp must lie in [now - past, now + future]; now is the test clock's for its customers.
    # With test_clock_is_reference_now off, it is real time for them too.
    test_clock_is_reference_now: bool = True
    timestamp_past_seconds: float = 35 * DAY_SECONDS
    timestamp_future_seconds: float = 300.0
    value_max_digits: int = 15
    # Too many digits is a documented synchronous 400. For a malformed value, 400 too; false reports both later.
    refuse_bad_values_at_once: bool = True
    # Whether an unknown customer or event name is a 400. Undocumented for v1, so the harsher reading is the default:
    # the event is accepted, then dropped and only reported.
    refuse_unknown_references_at_once: bool = False
    # Dropped events are reported in windows of this length, each error code with at most so many samples.
    error_report_window_seconds: float = 10.0
    error_report_samples: int = 3
    # A sample names the request's Idempotency-Key, which the SDK's own words say; off: the event's identifier.
    error_report_names_idempotency_key: bool = True
    # Stripe's documentation says both "exclusive" and "inclusive" of a summary's end.
    summary_end_inclusive: bool = False
    # A summary over a window without a single event: no row, or a row saying 0.
    summary_rows_when_empty: bool = False
    # `last` takes the latest timestamp; on: what was received last, whatever its timestamp.
    last_by_receipt: bool = False
    # Hours from a draft's creation to its finalization; Stripe's Dashboard allows 0 to 72.
    finalization_grace_hours: float = 1.0
    # Graduated prices bill each reached tier on a line of its own; false puts the sum on one line.
    line_per_graduated_tier: bool = True
    # A line of a packaged price shows what was used; on: how many packages that is.
    packaged_line_shows_packages: bool = False
    # What was used in a trial is on its invoice, at nothing; off: the line says 0. Stripe promises neither; a quantity
    # without an amount is what a reader trips over.
    trial_lines_show_usage: bool = True
    idempotency_retention_seconds: float = DAY_SECONDS
    # Stripe's libraries know the header Idempotent-Replayed, its pages promise it nowhere.
    replayed_answers_say_so: bool = True
    # Moves the sandbox's real time. Test clocks are not affected.
    clock_offset_seconds: float = 0.0
    # Calls per second and account; 0 is off. Stripe: 25 in test mode, 100 in live mode.
    rate_limit_per_second: float = 0.0
    # Live meter events have a limit to themselves; 0: they count like other calls. Stripe: 1,000, but 0 for a connected
    # account, where they do count like other calls.
    live_meter_events_per_second: float = 0.0
    # Calls in progress per (customer, event name); 0 is off. Stripe documents 1, in some copies of its page.
    meter_event_concurrency: int = 1
    webhook_attempts: int = 5
    webhook_backoff_seconds: float = 1.0
    # How often each event is sent although it was taken, and up to how many seconds late: above 0, out of order.
    webhook_copies: int = 1
    webhook_delay_spread_seconds: float = 0.0
    # How long a scripted "no answer" keeps the connection open.
    no_answer_seconds: float = 120.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def update(self, changes: dict[str, Any]) -> None:
        """All or nothing: an unknown name or a value of another type changes no setting."""
        defaults = {field.name: field.default for field in fields(self)}
        for name, value in changes.items():
            if name not in defaults:
                raise ValueError(f"no setting is called {name!r}; there are: {', '.join(sorted(defaults))}")
            wanted = type(defaults[name])
            number = isinstance(value, int | float) and not isinstance(value, bool)
            fits = isinstance(value, bool) if wanted is bool else number and (wanted is float or value == int(value))
            if not fits:
                raise ValueError(f"{name} must be of type {wanted.__name__}, not {value!r}")
            if number and value < 0 and name != "clock_offset_seconds":
                raise ValueError(f"{name} must not be negative")
        if not 0 <= changes.get("finalization_grace_hours", 0) <= 72:
            raise ValueError("finalization_grace_hours must lie between 0 and 72")
        for name, value in changes.items():
            setattr(self, name, value)
