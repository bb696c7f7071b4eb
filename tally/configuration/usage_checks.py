"""From when on the checks of how usage arrives speak: a meter's own limits, its tenant's, else the settings."""

from pydantic import Field

from tally.declared_values import Declared, ExactDecimal


class UsageCheckLimits(Declared):
    """What is left out of a meter's is its tenant's; what is left out of that is TALLY_SILENCE_FACTOR and its like."""

    silence_factor: ExactDecimal | None = Field(None, gt=1, le=1000)
    volume_factor: ExactDecimal | None = Field(None, gt=0, le=1000)
    duplicate_ratio: ExactDecimal | None = Field(None, ge=0, le=1)
    late_ratio: ExactDecimal | None = Field(None, ge=0, le=1)
