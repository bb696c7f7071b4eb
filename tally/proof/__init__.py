"""Proof of an invoice line: the chain from its amount down to the landed events, worked out again link by link.

What is proven, recorded and compared stands in docs/proof.md.
"""

from tally.proof.billed_line import BilledLine, lines_named, lines_of_counter
from tally.proof.chain import Chain
from tally.proof.check import Check
from tally.proof.errors import NothingToProve
from tally.proof.page import write_page
from tally.proof.priced import Priced
from tally.proof.proving import Proof, prove
from tally.proof.recorded import RecordedProof
from tally.proof.recording import FinalLines, record, record_final_lines

__all__ = [
    "BilledLine",
    "Chain",
    "Check",
    "FinalLines",
    "NothingToProve",
    "Priced",
    "Proof",
    "RecordedProof",
    "lines_named",
    "lines_of_counter",
    "prove",
    "record",
    "record_final_lines",
    "write_page",
]
