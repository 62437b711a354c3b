"""``python3 -m deploy.hardware``."""

import sys

from deploy.hardware.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
