"""Write all stand-ins into a folder."""

import argparse
import sys
from pathlib import Path

from tests.standins import cann, wheels


def main() -> None:
    """Read the arguments, write, and name what was written."""
    parser = argparse.ArgumentParser(description="Write stand-ins for the vendors' files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cann", default="8.2.RC1", metavar="VERSION")
    parser.add_argument("--machine", default="aarch64", choices=("aarch64", "x86_64"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in (*cann.write(options.folder, options.cann, options.machine), *wheels.write(options.folder)):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
