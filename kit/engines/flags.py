"""Reading single flags out of a command line that is otherwise passed through untouched."""

from collections.abc import Sequence


def value(args: Sequence[Sequence[str]], *names: str) -> str | None:
    """The last value given for one of the flags, written `--flag value` or `--flag=value`; None where there is none."""
    found: str | None = None
    for group in args:
        for position, word in enumerate(group):
            for name in names:
                if word == name and position + 1 < len(group):
                    found = group[position + 1]
                elif word.startswith(f"{name}="):
                    found = word.removeprefix(f"{name}=")
    return found
