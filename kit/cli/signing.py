"""`kit key new`, `kit sign`, `kit verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kit.cli import complete
from kit.cli.run import RunsOption
from kit.cli.runs import RunArgument
from kit.cli.terminal import echo

if TYPE_CHECKING:
    from kit.workflows.sealing import Verified

EnvOption = Annotated[
    str | None, typer.Option("--passphrase-env", metavar="NAME", help="Take the key's passphrase from this variable.")
]
FileOption = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Take the key's passphrase from this file.")
]
_LONGEST_PASSPHRASE = 4096


def add(app: typer.Typer) -> None:
    key = typer.Typer(no_args_is_help=True, help="Keys that sign runs.", rich_markup_mode=None)
    key.command("new", epilog="Examples: kit key new -o tester.key · kit key new -o ci.key --no-passphrase")(new)
    app.add_typer(key, name="key", epilog="Examples: kit key new -o tester.key")
    app.command(
        "sign",
        epilog="Examples: kit sign latest --role tester --key tester.key --name 张三 · "
        "kit sign latest --role reviewer --key ~/.ssh/id_ed25519 --timestamp http://tsa.example.com",
    )(sign)
    app.command(
        "verify",
        epilog="Examples: kit verify latest --trust trust.yaml · kit verify run.kit --trust trust.yaml · "
        "kit verify report/report.docx --trust trust.yaml",
    )(verify)


def new(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The private key; FILE.pub beside it.")],
    kind: Annotated[Literal["ed25519", "ecdsa"], typer.Option("--type", help="Kind of the key.")] = "ed25519",
    plain: Annotated[bool, typer.Option("--no-passphrase", help="Leave the private key unencrypted.")] = False,
    env: EnvOption = None,
    file: FileOption = None,
) -> None:
    """Make a key, and print the lines for a trust file."""
    from kit.signing import keys

    passphrase = None if plain else _passphrase(env, file) or _prompt(f"passphrase for {out}", confirm=True)
    made = keys.make(out, kind, passphrase)
    echo(f"{out} and {out}.pub, fingerprint {made.fingerprint}", err=True)
    echo("in a trust file:", err=True)
    echo(f"schema: 1\nroles:\n  tester:\n    keys:\n      - public: {made.line}")


def sign(
    run: RunArgument,
    role: Annotated[Literal["tester", "reviewer", "approver"], typer.Option(help="As what you sign.")],
    key: Annotated[
        str, typer.Option(metavar="FILE|URI", help="Private key: a file, or the URI of one on a token or in a service.")
    ],
    name: Annotated[str | None, typer.Option(help="Your name in the report; the login name unless given.")] = None,
    public: Annotated[Path | None, typer.Option(metavar="FILE", help="The public key, for a key by its URI.")] = None,
    env: EnvOption = None,
    file: FileOption = None,
    timestamp: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="KIT_TIMESTAMP", help="Server whose time stamp (RFC 3161) says when you signed."
        ),
    ] = None,
    out: RunsOption = Path("runs"),
) -> None:
    """Sign a whole run: its files, its result, and the copies of its report, which then show who signed."""
    import getpass

    from kit import store
    from kit.endpoint import post
    from kit.host import LocalHost
    from kit.signing import keys, stamping
    from kit.workflows import sealing

    found = store.find(run, out)
    for one in sealing.signers(found):
        echo(f"signed before by {one.name} as {one.role}, {one.at:%Y-%m-%d %H:%M:%S %z}, {one.key}", err=True)
    private = keys.load(key, lambda what: _passphrase(env, file) or _prompt(what), public)
    signer = name or getpass.getuser()
    stamp = stamping.by(timestamp, post) if timestamp is not None else None
    sign_off, written = sealing.sign(found, private, role, signer, LocalHost().now(), stamp)
    for path in written:
        echo(path)
    echo(f"{found.name}: signed by {sign_off.name} as {sign_off.role} with {sign_off.key}", err=True)


def verify(
    path: Annotated[
        str,
        typer.Argument(
            metavar="RUN|BUNDLE|FILE",
            help="A run, a bundle, or one file of a report beside attestation.json.",
            autocompletion=complete.runs,
        ),
    ],
    trust: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="KIT_TRUST", help="Which keys may sign as what.")
    ] = None,
    out: RunsOption = Path("runs"),
) -> None:
    """Prove that a run is what was signed, by those who may, and that its figures follow from its requests.

    Exit code 6 where it is not so.
    """
    from kit.bundles import reading
    from kit.host import LocalHost
    from kit.workflows import opening, sealing

    now = LocalHost().now()
    if reading.is_bundle(Path(path)):
        opened = opening.verify(Path(path), trust, now, lambda text: echo(text, err=True))
        verified = opened.verified
        assert verified is not None
        _told(verified)
        echo(f"{path}: all {len(opened.looked.bundle.manifest.members)} files are those of its list")
        for one in opened.unvouched:
            echo(f"look at {one}", err=True)
        return
    _told(sealing.verify(path, out, trust, now))


def _told(found: "Verified") -> None:
    """Who signed, and what was checked."""
    for one, proven in zip(found.sign_offs, found.times, strict=False):
        if proven is not None:
            when = f"{proven.at:%Y-%m-%d %H:%M:%S %z} (proven by a time stamp of {proven.by})"
        else:
            stamped = (
                ""
                if one.clock == "own"
                else "; its time stamp was not checked: timestamp_roots of the trust file names nobody"
            )
            when = f"{one.at:%Y-%m-%d %H:%M:%S %z} (own clock{stamped})"
        echo(f"{one.role}: {one.name}, {when}, {one.key}")
    if found.copy is not None:
        echo(f"{found.name} is {found.copy} as it was signed (result {found.outcome})")
        echo("a single file: the figures were not worked out again, which kit verify RUN does", err=True)
        return
    again = found.reread
    assert again is not None
    echo(
        f"{found.name}: {found.outcome}, {found.files} files as signed, figures of {again.rounds} rounds worked out again "
        f"from the requests, {again.from_raw} of them from the load generator's own files"
    )
    for name in found.unfinished:
        echo(
            f"{name} is in no signature: it has the name of a file that kit had not finished when it was killed",
            err=True,
        )
    for name in found.unread:
        echo(f"{name} is as signed; its figures were not read back", err=True)


def _passphrase(env: str | None, file: Path | None) -> str | None:
    import os

    from kit.errors import UsageError

    if env is not None:
        if not (value := os.environ.get(env, "")):
            raise UsageError(f"the variable {env} holds no passphrase")
        return value
    if file is not None:
        try:
            # A pipe is as good as a file here.
            with open(file, "rb") as opened:
                content = opened.read(_LONGEST_PASSPHRASE + 1)
            if len(content) > _LONGEST_PASSPHRASE:
                raise UsageError(f"{file} holds more than {_LONGEST_PASSPHRASE} bytes, which is no passphrase")
            value = content.decode("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the passphrase in {file} cannot be read: {error}") from error
        if not value:
            raise UsageError(f"{file} holds no passphrase")
        return value
    return None


def _prompt(what: str, *, confirm: bool = False) -> str:
    import sys

    from kit.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(f"{what}: nobody is here to type it", hint="give --passphrase-env or --passphrase-file")
    entered: str = typer.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True)
    return entered
