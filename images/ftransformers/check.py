"""End the build where the Ftransformers or the CANN in this image is another one than `artifacts.toml` names.

python3 check.py VERSION
"""

import glob
import importlib.metadata
import re
import sys
from pathlib import Path

DECLARED = Path(__file__).with_name("artifacts.toml")


def public(version: str) -> str:
    """A version without what its builder appended after a +."""
    return version.partition("+")[0].lower()


def wanted_cann(version: str) -> str:
    """The CANN that goes with this version; read by hand, since an older Python has no reader of TOML."""
    text = DECLARED.read_text("utf-8")
    found = re.search(rf'\[\[matrix\]\]\s+version = "{re.escape(version)}"\s+cann = "([^"]+)"', text)
    return found[1] if found else ""


def cann() -> str:
    """The version of the toolkit as its own file says it."""
    for pattern in ("ascend-toolkit/latest", "cann", "cann-*"):
        for path in sorted(glob.glob(f"/usr/local/Ascend/{pattern}/*-linux/ascend_toolkit_install.info")):
            found = re.search(r"^version=(\S+)", Path(path).read_text("utf-8"), re.MULTILINE)
            if found:
                return found[1]
    return "none"


def main() -> None:
    """Compare, and say what is there."""
    version = sys.argv[1]
    installed = importlib.metadata.version("ftransformers")
    if public(installed) != public(version):
        sys.exit(f"check.py: this image is to have Ftransformers {version}, and has {installed}")
    wanted = wanted_cann(version)
    if public(cann()) != wanted.lower():
        sys.exit(f"check.py: Ftransformers {version} is to run on CANN {wanted}, and the base has CANN {cann()}")
    sys.stdout.write(f"kit: Ftransformers {installed} on CANN {cann()}\n")


if __name__ == "__main__":
    main()
