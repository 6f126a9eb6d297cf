"""Where kit's own data lies: `images/`, `profiles/`, `templates/`."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `images`, `profiles` or `templates`: inside an installed wheel, else beside the package in a checkout."""
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def cache() -> Path:
    """Where environments and made models are kept: `$KIT_CACHE`, else `kit` in the user's cache directory."""
    if own := os.environ.get("KIT_CACHE"):
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).absolute() if base else Path.home() / ".cache") / "kit"
