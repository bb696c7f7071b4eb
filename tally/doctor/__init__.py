"""`tally doctor`: is an installation set up so that it counts and bills rightly, and how to mend what is not?"""

from tally.doctor.examination import examine
from tally.doctor.result import Result

__all__ = ["Result", "examine"]
