"""How figures are written, as the original report writes them."""

from collections.abc import Callable, Sequence

from kit.model import Fact


def figure(value: float | None) -> str:
    """Two decimals without trailing zeros: 28.94, 10.7, 59.

    Below 0.1 two significant digits, so that nothing is rounded away: 0.053, 0.0042.
    """
    if value is None:
        return "—"
    if 0 < abs(value) < 0.1:
        return f"{value:.2g}" if abs(value) >= 1e-4 else f"{value:.1e}"
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def rate(value: float | None) -> str:
    """Three decimals: 17.270. Below 0.01 two significant digits: 0.0042."""
    if value is None:
        return "—"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else figure(value)


def apart(values: Sequence[float], write: Callable[[float], str] = rate) -> tuple[str, ...]:
    """The values as `write` has them, with more digits where the least and the largest would read alike: 0.00203, 0.00204."""
    low, high = min(values), max(values)
    if write(low) == write(high):
        for digits in range(3, 8):
            if f"{low:.{digits}g}" != f"{high:.{digits}g}":
                return tuple(f"{value:.{digits}g}" for value in values)
    return tuple(map(write, values))


def change(share: float, decimals: int = 1) -> str:
    """A share with its sign, in percent: +1.2%. One too small for that keeps a digit: -0.04%; 0% is only ever zero."""
    if share == 0:
        return "0%"
    text = f"{share:+.{decimals}%}"
    return text if float(text.rstrip("%")) else f"{share * 100:+.1g}%"


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
