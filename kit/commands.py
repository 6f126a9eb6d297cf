"""Writing a program as the command line that a person can read, and paste into a shell."""

import shlex
from collections.abc import Sequence

from kit.model import Program, Secret


def shell(program: Program, argv: Sequence[str], secret: Secret | None = None) -> str:
    """`NAME=value program argument …`, quoted for a POSIX shell; a secret is written as where it comes from."""
    assignments = [f"{name}={shlex.quote(value)}" for name, value in program.env]
    for name in program.secrets:
        if secret is not None and secret.env is not None:
            assignments.append(f'{name}="${secret.env}"')
        elif secret is not None and secret.file is not None:
            # A shell knows the home directory only by a tilde that is not quoted.
            home, path = ("~/", secret.file[2:]) if secret.file.startswith("~/") else ("", secret.file)
            assignments.append(f'{name}="$(cat {home}{shlex.quote(path)})"')
    return " ".join([*assignments, shlex.join(argv)])
