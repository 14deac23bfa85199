"""``python -m hsframe``: the same program as ``hsframe``."""

import sys

from hsframe.cli import main

if __name__ == "__main__":
    sys.exit(main())
