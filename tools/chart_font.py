"""Writes templates/chart.otf, the font of the pictures in Word reports: `python tools/chart_font.py NotoSansCJK-Regular.ttc`.

The picture of a chart must be the same on every machine, so its font travels with kit: Latin, and the Chinese characters
that charts say. Needs `pyftsubset` (the package fonttools) on the PATH; the font is Debian's fonts-noto-cjk. Run it after
the catalogue's words for charts changed; a unit test tells which characters are missing.
"""

import subprocess
import sys
from pathlib import Path

from kit.texts import CATALOGUE

TARGET = Path(__file__).resolve().parent.parent / "templates" / "chart.otf"
SIMPLIFIED = 2  # its place in the collection
WORDS = ("axis-", "chart-", "line-")
LATIN = "".join(map(chr, range(0x20, 0x7F))) + "°±·×÷–—→σ"


def main() -> None:
    texts = [text for key, both in CATALOGUE.items() if key.startswith(WORDS) for text in both]
    made = [
        *("pyftsubset", sys.argv[1], f"--font-number={SIMPLIFIED}", f"--output-file={TARGET}"),
        f"--text={''.join(sorted({*LATIN, *''.join(texts)}))}",
        *("--layout-features=kern", "--no-hinting", "--desubroutinize", "--notdef-outline"),
        "--name-IDs=0,1,2,3,4,5,6,13,14",
    ]
    subprocess.run(made, check=True)


if __name__ == "__main__":
    main()
