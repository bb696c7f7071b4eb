"""The kinds of value that a declared file is made of, and how each is written."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

# A longer value of a property stands in the ledger as its digest (`tally.scalar_text`), which no filter could name.
MOST_VALUE_BYTES: Final = 128
# Five dimensions with their values and the longest customer have to fit an index row together.
MOST_DIMENSION_BYTES: Final = 100
_DURATION = re.compile(r"(\d{1,5})([mhd])")
_UNIT_OF = {"m": "minutes", "h": "hours", "d": "days"}
_IN_QUOTES = 'write the number in quotes, e.g. "0.005", so that it stays exact'


class Declared(BaseModel):
    """A block of the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


def require_unique(what: str, values: list[Any]) -> None:
    """Refuse with a ValueError that names what stands there twice."""
    if repeated := sorted({str(value) for value in values if values.count(value) > 1}):
        raise ValueError(f"{what} is declared twice: {', '.join(repeated)}")


def _duration(value: Any) -> Any:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("give a duration such as 90m, 48h or 2d")
    return timedelta(**{_UNIT_OF[match[2]]: int(match[1])})


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Zurich")
    return ZoneInfo(value).key


def _decimal(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("is not a number")
    if isinstance(value, float):  # YAML has already lost digits here
        raise ValueError(_IN_QUOTES)
    return value


def _property_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        raise ValueError(_IN_QUOTES)
    if not isinstance(value, int | str):
        raise ValueError("give text, a number or true or false")
    return str(value)


def _short(value: str) -> str:
    if len(value.encode()) > MOST_VALUE_BYTES:
        raise ValueError(f"is longer than {MOST_VALUE_BYTES} bytes")
    return value


def _dimension(name: str) -> str:
    if len(name.encode()) > MOST_DIMENSION_BYTES:
        raise ValueError(f"is longer than {MOST_DIMENSION_BYTES} bytes")
    return name


def _as_set(values: list[str]) -> list[str]:
    require_unique("a value", values)
    return sorted(values)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
ExactDecimal = Annotated[Decimal, BeforeValidator(_decimal)]
# Postgres keeps no NUL.
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
PropertyName = Annotated[Text, Field(min_length=1, max_length=255)]
PropertyValue = Annotated[Text, BeforeValidator(_property_value), AfterValidator(_short)]
# Sets: their order means nothing, so writing them in another one is no change.
PropertyValues = Annotated[list[PropertyValue], Field(min_length=1), AfterValidator(_as_set)]
Dimensions = Annotated[
    list[Annotated[PropertyName, AfterValidator(_dimension)]], Field(max_length=5), AfterValidator(_as_set)
]
