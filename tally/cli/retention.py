"""`tally retention`: what of the landed rows and hours may go; nothing goes unless an option says so."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import psycopg
import typer

from tally import retention as kept
from tally.cli.output import JsonFlag, console, print_json, print_table, progress
from tally.cli.session import opened
from tally.clock import clock_for
from tally.retention import ArchivedDay, Day, RetentionRefused
from tally.settings import load_settings


def retention(
    detach: Annotated[
        bool, typer.Option("--detach", help="Archive the days that are older than TALLY_RAW_RETENTION_DAYS.")
    ] = False,
    detach_raw_older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Archive the days of landed rows older than this: 400d.")
    ] = None,
    reattach: Annotated[
        datetime | None, typer.Option(metavar="DAY", formats=["%Y-%m-%d"], help="Put an archived day's rows back.")
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Drop every archived day for good.")] = False,
    hourly_older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Delete hourly usage of periods that ended before: 800d.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before dropping or deleting.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the options would do; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what may go, how large it is and what would be lost; take it away only as the options say."""
    settings = load_settings()
    age = kept.parse_age(detach_raw_older_than) if detach_raw_older_than is not None else None
    hours = kept.parse_age(hourly_older_than) if hourly_older_than is not None else None
    if age is None and settings.raw_retention_days is not None:
        age = timedelta(days=settings.raw_retention_days)
    if detach and age is None:
        raise RetentionRefused("TALLY_RAW_RETENTION_DAYS is not set, so landed rows are kept for ever")
    with opened() as connection:
        work = _Work(connection, clock_for(settings, connection).now(), dry_run, yes, as_json)
        if reattach is not None:
            work.reattach(reattach.date())
        if age is not None or not (reattach or drop or hours):
            work.days(age, take=detach or detach_raw_older_than is not None)
        if drop:
            work.drop()
        if hours is not None:
            work.hours(hours)
        work.tell()


class _Work:
    """The parts of one command; what they found and did is one document, or tables."""

    def __init__(
        self, connection: psycopg.Connection[Any], now: datetime, dry_run: bool, yes: bool, as_json: bool
    ) -> None:
        self._connection, self._now, self._dry_run, self._yes, self._as_json = connection, now, dry_run, yes, as_json
        self._document: dict[str, Any] = {"dry_run": dry_run}

    def days(self, age: timedelta | None, *, take: bool) -> None:
        """Show the days older than `age`, and detach them when asked to."""
        found = kept.days_older_than(self._connection, age, self._now) if age is not None else []
        tables = kept.kept_tables(self._connection)
        self._document |= {"older_than": age, "days": found, "kept_for_ever": tables}
        if not self._as_json:
            if age is None:
                console.print("TALLY_RAW_RETENTION_DAYS is not set: landed rows are kept for ever")
                console.print("--detach-raw-older-than 400d --dry-run shows what could go")
            else:
                _print_days(found, age)
            print_table("Never taken away", ["table", "bytes", "why"], [(t.relation, t.bytes, t.why) for t in tables])
        if take and not self._dry_run:
            gone = []
            for day in kept.detach(self._connection, found, self._now):
                gone.append(day)
                progress.print(f"detached {day.relation}: {day.deliveries:,} rows are in schema archive", markup=False)
            self._document["detached"] = [day.day for day in gone]

    def reattach(self, day: date) -> None:
        if not self._dry_run:
            kept.reattach(self._connection, day)
            progress.print(f"{day}: back in raw.usage_events")
        self._document["reattached"] = day

    def drop(self) -> None:
        archived = [day for day in kept.archived_days(self._connection) if day.dropped_at is None]
        self._document["archived"] = archived
        if not self._as_json:
            _print_archived(archived)
        if archived and not self._dry_run:
            self._ask(f"Drop the landed rows of {len(archived)} days for good?")
            self._document["dropped"] = [day.day for day in kept.drop(self._connection, self._now)]

    def hours(self, age: timedelta) -> None:
        found = kept.old_hours(self._connection, age, self._now)
        self._document["hours"] = found
        if not self._as_json:
            console.print(
                f"{found.counters:,} counters of periods that ended by {found.up_to:%Y-%m-%d} have hours to delete"
            )
            console.print(f"{found.blocked:,} more are not settled and keep theirs")
        if found.counters and not self._dry_run:
            self._ask(f"Delete the hourly usage of {found.counters:,} counters for good?")
            deleted = 0
            for rows in kept.delete_hours(self._connection, age, self._now):
                deleted += rows
                progress.print(f"deleted {deleted:,} hours")
            self._document["deleted_hours"] = deleted

    def tell(self) -> None:
        if self._as_json:
            print_json(self._document)
        elif self._dry_run:
            console.print("dry run: nothing changed")

    def _ask(self, question: str) -> None:
        if not self._yes and not typer.confirm(question, err=True):
            raise RetentionRefused("nothing was dropped; --yes says so beforehand")


def _print_days(days: Sequence[Day], age: timedelta) -> None:
    columns = ["day", "rows", "bytes", "events", "repeats", "conflicts", "payloads", "may go"]
    rows = [
        (str(day.day), day.deliveries, day.bytes, day.events, day.duplicates, day.conflicts, day.with_properties,
         "yes" if not day.blocked else "no: " + "; ".join(day.blocked))
        for day in days
    ]  # fmt: skip
    print_table(f"Landed rows older than {age.days} days", columns, rows)
    free = [day for day in days if not day.blocked]
    console.print(
        f"{len(free)} of {len(days)} days may go, {sum(day.bytes for day in free):,} bytes. With them go the property "
        "texts of their events (no replay can measure those anew) and the lists of their repeats.",
        soft_wrap=True,
    )


def _print_archived(days: Sequence[ArchivedDay]) -> None:
    rows = [(str(day.day), day.relation, day.deliveries, day.bytes, day.detached_at) for day in days]
    print_table("Archived days", ["day", "table", "rows", "bytes", "detached"], rows)
