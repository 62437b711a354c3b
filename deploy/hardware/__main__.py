"""``python3 -m deploy.hardware``."""

import sys

from deploy.hardware.cli import UNUSABLE, main
from deploy.models.command_line import run_command

if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:]), lost=UNUSABLE))
