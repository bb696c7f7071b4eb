"""What lies outside the database and is for a person to erase: at Stripe, in files, in backups."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tally.erasure.person import Person

# The embedded server's own files are the database; a file larger than this is no report.
_DATABASE_FOLDER = "postgres"
_LARGEST = 64 * 2**20

_STRIPE = """
select distinct account, livemode, stripe_customer_id, subscription_id
from tally.stripe_subscription_items
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s
union
select distinct account, livemode, stripe_customer_id, null
from tally.push_intents as intent
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s
    and not exists (
        select from tally.stripe_subscription_items as item
        where item.tenant_id = intent.tenant_id and item.customer_ref = intent.customer_ref
            and item.account = intent.account and item.livemode = intent.livemode
            and item.stripe_customer_id = intent.stripe_customer_id
    )
order by 1, 2, 3, 4
"""
_INVOICES = """
select account, livemode, invoice_id
from tally.stripe_totals
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and invoice_id is not null
group by 1, 2, 3
order by 1, 2, 3
"""
_IMPORTS = "select distinct file_name from tally.imports where tenant_id = %(tenant_id)s order by 1"


@dataclass(frozen=True)
class StripeObject:
    """An object of Stripe's that is the customer, or is about them."""

    account: str
    livemode: bool
    kind: str
    object_id: str


@dataclass(frozen=True)
class Outside:
    """What this command does not reach. `files` of TALLY_HOME hold the name; `imported` ones and their rejects may."""

    stripe: list[StripeObject]
    files: list[Path]
    imported: list[str]


def outside(connection: psycopg.Connection[Any], person: Person, home: Path) -> Outside:
    """Look for it: at Stripe as last mirrored, and in the files of `home`."""
    asked = {"tenant_id": person.tenant_id, "customer_ref": person.customer_ref}
    objects: dict[StripeObject, None] = {}
    for account, livemode, customer, subscription in connection.execute(_STRIPE, asked):
        objects[StripeObject(account, livemode, "customer", customer)] = None
        if subscription is not None:
            objects[StripeObject(account, livemode, "subscription", subscription)] = None
    for account, livemode, invoice in connection.execute(_INVOICES, asked):
        objects[StripeObject(account, livemode, "invoice", invoice)] = None
    imported = [name for (name,) in connection.execute(_IMPORTS, asked)]
    return Outside(list(objects), sorted(_naming(home, person)), imported)


def _naming(home: Path, person: Person) -> Iterator[Path]:
    needles = [spelling.encode() for spelling in person.spellings]
    if not person.is_found_in_text or not home.is_dir():
        return
    for folder, folders, names in os.walk(home):
        if Path(folder) == home and _DATABASE_FOLDER in folders:
            folders.remove(_DATABASE_FOLDER)
        for name in names:
            file = Path(folder, name)
            try:
                if any(needle in file.name.encode() for needle in needles):
                    yield file
                elif file.is_file() and file.stat().st_size <= _LARGEST:
                    content = file.read_bytes()
                    if any(needle in content for needle in needles):
                        yield file
            except OSError:  # gone meanwhile, or not ours to read: the runbook says where else to look
                continue
