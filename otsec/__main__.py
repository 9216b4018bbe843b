"""``python -m otsec``: the command where no script is installed."""

import sys

from otsec.cli import main

if __name__ == "__main__":
    sys.exit(main())
