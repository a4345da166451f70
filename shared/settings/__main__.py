"""`python -m shared.settings`: the names of settings, or those in a file that are misspelt."""

import sys

from shared.settings.common import main

if __name__ == "__main__":
    sys.exit(main())
