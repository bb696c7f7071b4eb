"""Recording proofs: when a person asks for it, and by itself once an invoice line is first seen final."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from tally.clock import Clock
from tally.errors import TallyError
from tally.proof.billed_line import final_lines_unproven
from tally.proof.facts import facts_of
from tally.proof.proving import Proof, prove
from tally.proof.recorded import insert_proof

BY_ITSELF = "tally"
# Lines of one pass over their events and of one transaction: a killed run goes on where it stopped.
_AT_ONCE = 500


@dataclass(frozen=True)
class FinalLines:
    """Final lines of which no proof held before, each with what was found now."""

    proofs: tuple[Proof, ...]

    @property
    def unproven(self) -> tuple[Proof, ...]:
        """Those that something speaks against, or of which something is not known."""
        return tuple(each for each in self.proofs if each.verdict != "proven")


def record(connection: psycopg.Connection[Any], proof: Proof, by: str, now: datetime) -> bool:
    """Keep the proof as it is, faults and all, and commit; False where another one was recorded meanwhile.

    Raises:
        TallyError: `by` is empty.
    """
    if not by.strip():
        raise TallyError("by: say who records the proof: --by NAME")
    chain = proof.chain
    with connection.transaction():
        return insert_proof(
            connection,
            chain.line,
            {
                "number": chain.proofs[-1].number + 1 if chain.proofs else 1,
                "recorded_at": now.astimezone(UTC),
                "recorded_by": by,
                "invoice_id": chain.line.invoice_id,
                "invoice_status": chain.line.invoice_status,
                "counter_read_to": chain.version.read_to,
                "counter_cluster": chain.version.cluster,
                "facts": facts_of(chain),
                "differences": proof.faults,
            },
        )


def record_final_lines(
    connection: psycopg.Connection[Any], tenant_id: str, clock: Clock, starting_in: tuple[datetime, datetime]
) -> FinalLines:
    """Prove every line of periods starting in `[first, second)` whose invoice is final, until a proof of it holds.

    What is found is recorded once: a line that does not agree is recorded again when something else is wrong with it,
    or nothing any more. `connection` is in autocommit.
    """
    lines = final_lines_unproven(connection, tenant_id, starting_in)
    done: list[Proof] = []
    for first in range(0, len(lines), _AT_ONCE):
        now = clock.now()
        found = prove(connection, lines[first : first + _AT_ONCE], now)
        with connection.transaction():
            for proof in found:
                if not proof.chain.proofs or proof.chain.proofs[-1].differences != proof.faults:
                    record(connection, proof, BY_ITSELF, now)
        done += found
    return FinalLines(tuple(done))
