"""Make sure that libarchive can be loaded: install it where that works without a prompt, otherwise print how."""

import os
import shutil
import subprocess
import sys

from ogaart.imaging.find_libarchive import find_libarchive
from ogaart.operations.doctor import LIBARCHIVE_HELP


def main() -> int:
    """0 if libarchive is available at the end."""
    if find_libarchive():
        return 0
    if shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "libarchive13"], check=False)
    elif shutil.which("brew"):
        subprocess.run(["brew", "install", "--quiet", "libarchive"], check=False)
    if find_libarchive():
        return 0
    print(f"libarchive is missing: {LIBARCHIVE_HELP}", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
