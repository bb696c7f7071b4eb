"""`python -m ingest` starts the door with the settings of the environment."""

import sys

from ingest.server import serve
from tally.errors import TallyError
from tally.settings import load_settings


def main() -> int:
    """Run the door; the exit status is 1 when it could not start."""
    try:
        serve(load_settings())
    except TallyError as error:
        print(f"the ingest door cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
