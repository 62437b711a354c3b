"""``python -m tests.fresh_phone``: from a fresh clone to a phone's first answer, in minutes.

Clones this repository's last commit, runs ``./scripts/quickstart.sh --https`` there with nothing
installed, and asks from a Chromium in another network namespace that has trusted the authority.
Needs a network, 8 GB of disk and root, and is too much for the suite.
"""

import subprocess
import tempfile
import time
from pathlib import Path

from tests.e2e.browser import ask, log_in
from tests.e2e.phone import PHONE, browser_of
from tests.phone_network import HOME, phone_of_this_machine
from tests.scenes import picture, write_y4m
from tests.stack import ROOT, Stack

HOUR = 3600.0


def main() -> None:
    """Time the address and the first answer."""
    with tempfile.TemporaryDirectory(prefix="qwencam-fresh-phone-") as name:
        folder = Path(name)
        clip = write_y4m(folder / "camera.y4m", [picture("red circle middle")], seconds=1)
        with phone_of_this_machine() as phone:
            began = time.monotonic()
            checkout = folder / "qwencam"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
            stack = Stack(folder / "data", "--https")
            stack.checkout = checkout
            try:
                stack.start(patience=HOUR)
                printed = time.monotonic()
                print(stack.output.read_text())
                authority = stack.data_dir / "https" / "authority.crt"
                with browser_of(phone, trusting=authority, folder=folder, camera=clip) as browser:
                    page = browser.new_context(**PHONE).new_page()
                    log_in(page, f"https://{HOME}:{stack.port}")
                    page.get_by_test_id("start-camera").click()
                    answer = ask(page, "What do you see?", patience=120)
                    answered = time.monotonic()
            finally:
                stack.stop()
    print(f"Address after {(printed - began) / 60:.1f} minutes.")
    print(f"The phone's first answer ({answer}) after {(answered - began) / 60:.1f} minutes.")


if __name__ == "__main__":
    main()
