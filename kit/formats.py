"""How figures are written, as the original report writes them."""

from kit.model import Fact


def figure(value: float | None) -> str:
    """Two decimals without trailing zeros: 28.94, 10.7, 59, 0.05.

    A value too small for that keeps two significant digits, so that it is not rounded away: 0.0042, 0.013.
    """
    if value is None:
        return "—"
    if 0 < abs(value) <= 0.045:
        return f"{value:.2g}" if abs(value) >= 1e-4 else f"{value:.1e}"
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def rate(value: float | None) -> str:
    """Three decimals always: 17.270. A rate too small for that keeps two significant digits: 0.00042."""
    if value is None:
        return "—"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else figure(value)


def gib(amount: int) -> str:
    """Bytes in GiB with one decimal at most."""
    return f"{amount / 1024**3:.1f}".removesuffix(".0") + " GiB"


def size(amount: int) -> str:
    """Bytes in the unit that leaves something to read: `671.2 GiB`, `13 MiB`, `512 bytes`."""
    if amount >= 1024**3:
        return gib(amount)
    return f"{amount / 1024**2:.1f}".removesuffix(".0") + " MiB" if amount >= 1024**2 else f"{amount} bytes"


def many(number: int, noun: str) -> str:
    """`1 round`, `2 rounds`, `no rounds`."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def fact(found: Fact[str] | Fact[int], missing: str = "—") -> str:
    """A fact's value as text, or `missing`."""
    return missing if found.value is None else str(found.value)


def percent(part: int, whole: int) -> str:
    """A share in percent; one that is not whole never reads 100 %: 100%, 99.99%, 66.67%."""
    if whole == 0:
        return "—"
    if part == whole:
        return "100%"
    # Rounded down: 99999 of 100000 is not all.
    return f"{part * 10_000 // whole / 100:.2f}".rstrip("0").rstrip(".") + "%"
