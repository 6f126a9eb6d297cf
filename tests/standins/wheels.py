"""Stand-ins for the wheels of Ftransformers, torch and torch-npu."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_LAUNCH = _HERE / "launch_server.py"
_ENGINE = _HERE.parents[1] / "images" / "llamacpp" / "serve.py"
_TORCH = """\
__version__ = "{version}"


def compiled_with_cxx11_abi():
    return True
"""


def write(
    folder: Path, ftransformers: str = "3.3.1", torch: str = "2.6.0", torch_npu: str = "2.6.0"
) -> tuple[Path, ...]:
    """Write the three wheels, for any platform, each as version `…+standin`; the first also needs the wheel of xllamacpp."""
    version = f'__version__ = "{ftransformers}+standin"\n'
    server = {
        "ftransformers/__init__.py": version,
        "ftransformers/launch_server.py": _LAUNCH.read_text("utf-8"),
        "ftransformers/engine.py": _ENGINE.read_text("utf-8"),
    }
    return (
        wheel(folder, "ftransformers", f"{ftransformers}+standin", server, ("torch", "torch-npu", "xllamacpp")),
        wheel(folder, "torch", f"{torch}+standin", {"torch/__init__.py": _TORCH.format(version=torch)}),
        wheel(folder, "torch-npu", f"{torch_npu}+standin", {"torch_npu/__init__.py": ""}, ("torch",)),
    )


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel; the same bytes every time."""
    stem = f"{name.replace('-', '_')}-{version}"
    needs = "".join(f"Requires-Dist: {other}\n" for other in requires)
    inside = {
        **files,
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        f"Summary: A stand-in for tests\n{needs}",
        f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nGenerator: standins\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    lines = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in inside.items()]
    inside[f"{stem}.dist-info/RECORD"] = "\n".join([*lines, f"{stem}.dist-info/RECORD,,", ""])
    path = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, text in inside.items():
            archive.writestr(zipfile.ZipInfo(place), text)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
