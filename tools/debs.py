"""Writes the locks of Debian packages, `images/<name>/debs-<architecture>.lock`, from the newest that the distribution has.

    python tools/debs.py [--mirror URL]

A mirror of the distribution's dated archive as URL gives the packages of that date. Afterwards set `date` in `image.toml`.
What changed is printed.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from kit import images
from kit.runtimes import debian

IMAGES = Path(__file__).resolve().parent.parent / "images"


def write(image: images.Image, wanted: images.Debian, mirror: str | None) -> None:
    """Write the lock of one image for one architecture."""
    asked, failing = ["?essential", *wanted.packages], "the packages could not be resolved"
    with debian.resolved(asked, image.architecture, wanted.suite, mirror, failing) as folder:
        lines = [
            f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size} {path.name}\n"
            for path in sorted(folder.glob("*.deb"))
        ]
    lock = image.packages_lock
    before = {package.file for package in debian.read_lock(lock)} if lock.is_file() else set()
    head = (
        f"# Written by tools/debs.py for {image.architecture}: SHA-256, size and name of every package; do not edit.\n"
    )
    lock.write_text(head + "".join(lines), "utf-8")
    after = {package.file for package in debian.read_lock(lock)}
    sys.stdout.write(f"{lock.relative_to(IMAGES.parent)}: {len(after)} packages\n")
    for sign, files in (("-", before - after), ("+", after - before)):
        sys.stdout.write("".join(f"  {sign} {file}\n" for file in sorted(files)))


def main() -> None:
    """Write the locks of all images that have Debian packages."""
    parser = argparse.ArgumentParser(description="Lock the Debian packages of kit's base.")
    parser.add_argument("--mirror", metavar="URL")
    options = parser.parse_args()
    for image in images.every(IMAGES):
        if image.definition.debian is not None:
            write(image, image.definition.debian, options.mirror)


if __name__ == "__main__":
    main()
