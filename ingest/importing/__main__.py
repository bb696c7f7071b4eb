"""`python -m ingest.importing FILE`, which is what `tally import` runs."""

import sys

from ingest.importing.command import main

if __name__ == "__main__":
    sys.exit(main())
