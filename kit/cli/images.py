"""`kit image …`: the environments as images, from what they are made of to the archive that is carried to a site."""

from pathlib import Path
from typing import Annotated

import typer

from kit.cli import artifacts, complete
from kit.cli.terminal import echo, echo_json

group = typer.Typer(
    no_args_is_help=True,
    help="Environments and images.",
    epilog="Examples: kit image list · kit image fetch evalscope llamacpp · kit image build evalscope llamacpp",
    rich_markup_mode=None,
)

NamesArgument = Annotated[list[str], typer.Argument(metavar="NAME[/VERSION]...", autocompletion=complete.images)]
NameArgument = Annotated[str, typer.Argument(metavar="NAME[/VERSION]", autocompletion=complete.images)]
PlatformOption = Annotated[
    str | None,
    typer.Option("--platform", metavar="PLATFORM", help="linux/amd64 or linux/arm64; this machine's unless given."),
]
FolderOption = Annotated[
    Path | None, typer.Option("--from", metavar="DIR", help="Folder that was fetched; kit's cache unless given.")
]


def add(app: typer.Typer) -> None:
    artifacts.add(group)
    app.add_typer(group, name="image")


def _progress(text: str) -> None:
    echo(text, err=True)


@group.command("list", epilog="Examples: kit image list · kit image list --json")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the images: for which platforms, built or not, size, digest, age."""
    import json
    from dataclasses import asdict

    from kit.cli import image_tables
    from kit.workflows import imaging

    found = imaging.listed()
    if as_json:
        echo_json(json.dumps([asdict(entry) for entry in found], indent=2, default=str))
    else:
        image_tables.listed(found)


@group.command(
    epilog="Examples: kit image fetch evalscope llamacpp · kit image fetch evalscope --platform linux/arm64 · "
    "kit image fetch evalscope/1.0.1 --out FOLDER, then elsewhere kit image build evalscope --from FOLDER, or "
    "KIT_WHEELS=FOLDER kit run …"
)
def fetch(
    names: NamesArgument,
    platform: PlatformOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder that receives the files; kit's cache unless given.")] = None,
    mirror: Annotated[
        str | None, typer.Option(metavar="URL", help="A mirror of the distribution, such as one of its dated archive.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="NAME@sha256:…", help="Pull this image as base, instead of Debian's packages.")
    ] = None,
) -> None:
    """Fetch what environments and images are made of into one folder, each file checked, to carry it to a machine without
    network."""
    from kit.workflows import imaging

    echo(imaging.fetch(names, platform, out, mirror, base, _progress))


@group.command(
    epilog="Examples: kit image build evalscope llamacpp · kit image build evalscope/1.14.1 --platform linux/arm64 · "
    "kit image build evalscope --base registry/python@sha256:… --runtime-arg memory=4g"
)
def build(
    names: NamesArgument,
    platform: PlatformOption = None,
    folder: FolderOption = None,
    base: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="An image of the engine to stand on, instead of kit's own base.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Build although nothing has changed.")] = False,
    arguments: Annotated[
        list[str],
        typer.Option(
            "--runtime-arg",
            metavar="NAME=VALUE",
            help="Hold the build to memory, memory-swap, cpu-shares or cpuset-cpus.",
        ),
    ] = [],  # noqa: B006  (typer's way to say "none")
    lock: Annotated[bool, typer.Option("--lock", help="Write what came out into images/lock.json.")] = False,
) -> None:
    """Build images without network, from what was fetched."""
    from kit.cli import image_tables
    from kit.images.building import Wanted
    from kit.workflows import imaging

    outcomes = []
    for outcome in imaging.build(names, platform, folder, Wanted(base, again, imaging.limits(arguments)), _progress):
        image_tables.built(outcome, imaging.agreement(outcome))
        outcomes.append(outcome)
    if lock:
        echo(imaging.write_lock(outcomes), err=True)


@group.command(
    epilog="Examples: kit image verify evalscope · kit image verify evalscope llamacpp --platform linux/arm64"
)
def verify(names: NamesArgument, platform: PlatformOption = None) -> None:
    """Read images again, and name every path that is not as it was built."""
    from kit.workflows import imaging

    for built in imaging.verify(names, platform, _progress):
        title = f"{built.name}/{built.version}" if built.version else built.name
        echo(f"{title} {built.platform}: as it was built, content {built.content}")


@group.command(
    epilog="Examples: kit image save evalscope llamacpp -o images.tar.gz · "
    "kit image save kit evalscope --platform linux/arm64 -o arm64.tar.gz"
)
def save(
    names: NamesArgument,
    out: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The archive; its SHA-256 goes beside it.")
    ],
    platforms: Annotated[
        list[str],
        typer.Option("--platform", metavar="PLATFORM", help="May be given twice; this machine's unless given."),
    ] = [],  # noqa: B006  (typer's way to say "none")
) -> None:
    """Write images into one compressed archive that old engines load too, to carry it to another machine."""
    from kit.cli import image_tables
    from kit.workflows import imaging

    saved = imaging.save(names, platforms, out, _progress)
    image_tables.held(saved.held)
    echo(f"{saved.path}: {image_tables.megabytes(saved.size_bytes)}, sha256:{saved.sha256}")


@group.command(epilog="Examples: kit image load images.tar.gz")
def load(file: Annotated[Path, typer.Argument(metavar="FILE", help="What kit image save wrote.")]) -> None:
    """Load an archive of images, after comparing it with the SHA-256 beside it."""
    from kit.cli import image_tables
    from kit.workflows import imaging

    image_tables.held(imaging.load(file, _progress))


@group.command(
    epilog="Examples: kit image sbom evalscope · kit image sbom evalscope --platform linux/arm64 -o evalscope.json"
)
def sbom(
    name: NameArgument,
    platform: PlatformOption = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
) -> None:
    """List what an image contains as CycloneDX JSON: packages of Debian or rpm, Python distributions, vendors' files."""
    from kit.workflows import imaging, writing

    found = imaging.contained(name, platform)
    if out is None:
        echo_json(found.decode(), nl=False)
        return
    writing.files([(out, found)])
