"""`python -m pages` serves what is written under TALLY_HOME/reports, with the settings of the environment."""

import sys

from pages.server import serve
from tally.errors import TallyError
from tally.settings import load_settings


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; the exit status is 1 when it could not start."""
    try:
        serve(load_settings())
    except TallyError as error:
        print(f"the pages cannot be served: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
