"""Why one event is not taken: the field, a sentence for the person who sent it, a short code for the metric."""

from typing import Literal

Code = Literal[
    "not_json", "not_an_object", "unknown_field", "missing_field", "wrong_type", "bad_text",
    "unknown_metric", "bad_quantity", "bad_time", "too_old", "too_far_ahead", "bad_properties",
]  # fmt: skip


class Refusal(Exception):
    """One event is refused, its neighbours are not touched. `field` is None when no field is to blame."""

    def __init__(self, field: str | None, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.code: Code = code
        self.reason = reason
