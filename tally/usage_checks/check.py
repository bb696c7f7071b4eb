"""What a usage check says: a claim about all tenants' usage, whether it holds, and the lines that speak against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class UsageCheck:
    """`against`: the worst lines first, under `columns`; `numbers`: what was looked at, by name.

    `costs_money`: what is wrong changes what is billed, unless somebody acts; else it is worth a look.
    """

    holds: bool
    costs_money: bool
    sentence: str
    numbers: Mapping[str, int]
    columns: tuple[str, ...]
    against: tuple[tuple[Any, ...], ...]
