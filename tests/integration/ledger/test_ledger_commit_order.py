"""Transactions commit in another order than they number their rows: the ledger skips none, a sequence cursor does."""

import random
import threading
import time
from decimal import Decimal

import psycopg
from landing import Delivery, land, value

from tally.database import connect
from tally.ledger import Ledger


class SequenceCursor:
    """The usual incremental read, for contrast: everything above the highest `seq` seen so far."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._highest = 0
        self.read: set[str] = set()

    def tick(self) -> None:
        rows = self._connection.execute(
            "select seq, idempotency_key from raw.usage_events where seq > %s", (self._highest,)
        )
        for seq, key in rows.fetchall():
            self._highest = max(self._highest, seq)
            self.read.add(key)


def test_a_row_numbered_first_and_committed_last_is_counted(
    ledger: Ledger, database: psycopg.Connection, built_database_url: str
) -> None:
    naive = SequenceCursor(database)
    with connect(built_database_url) as slow, connect(built_database_url) as fast:
        land(slow, [Delivery("slow", Decimal(1))])
        land(fast, [Delivery("fast", Decimal(10))])
        fast.commit()
        naive.tick()
        ledger.tick()
        assert value(database) is None, "nothing behind an open older transaction may be read yet"
        slow.commit()
    naive.tick()
    ledger.tick()
    assert naive.read == {"fast"}, "the contrast: a sequence cursor has lost the row for good"
    assert value(database) == 11


def test_an_aborted_transaction_holds_nothing_back(
    ledger: Ledger, database: psycopg.Connection, built_database_url: str
) -> None:
    with connect(built_database_url) as doomed:
        land(doomed, [Delivery("doomed", Decimal(1))])
        land(database, [Delivery("kept", Decimal(10))])
        doomed.rollback()
    ledger.tick()
    assert value(database) == 10


def test_ticks_beside_concurrent_landing_with_aborts_lose_and_repeat_nothing(
    ledger: Ledger, database: psycopg.Connection, built_database_url: str
) -> None:
    stop = threading.Event()
    committed: list[Delivery] = []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        number = 0
        with connect(built_database_url) as connection:
            while not stop.is_set():
                # Keys overlap between writers and repeat within one: an event is delivered twice at the same moment.
                batch = []
                for _ in range(chance.randint(1, 5)):
                    number += 1
                    key = f"k{chance.randint(0, 400)}" if chance.random() < 0.5 else f"{seed}-{number}"
                    batch.append(Delivery(key, Decimal(1)))
                land(connection, batch)
                time.sleep(chance.choice((0, 0, 0.01, 0.05)))
                if chance.random() < 0.1:
                    connection.rollback()
                else:
                    connection.commit()
                    committed.extend(batch)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(6)]
    for writer in writers:
        writer.start()
    for _ in range(5):
        ledger.tick()
    stop.set()
    for writer in writers:
        writer.join()
    ledger.tick()
    distinct = len({delivery.key for delivery in committed})
    assert value(database) == distinct
    counts = database.execute("select deliveries, events, duplicates, conflicts from marts.usage_deliveries").fetchone()
    assert counts == (len(committed), distinct, len(committed) - distinct, 0)
    assert not [test for test in ledger.test() if test.status != "pass"]
