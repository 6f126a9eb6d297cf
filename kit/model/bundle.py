"""What a bundle says of itself: every file in it by name, kind, size and digest, and the weights that it only names."""

from typing import Annotated, Literal

from pydantic import Field

from kit.model.record import Record

BUNDLE = "bundle.json"
"""The first file of a bundle: its manifest."""

Kind = Literal["profile", "baseline", "prompts", "lock", "image", "wheel", "kit", "tokenizer", "run"]
FOLDERS: dict[Kind, str] = {
    "profile": "profile.yaml",
    "baseline": "baseline.csv",
    "prompts": "prompts/",
    "lock": "images/",
    "image": "archives/",
    "wheel": "wheels/",
    "kit": "kit/",
    "tokenizer": "tokenizer/",
    "run": "run/",
}
"""Where each kind of file stands."""
KINDS: tuple[Kind, ...] = tuple(FOLDERS)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Member(Record):
    """One file. `platform`: the only one that it is for. `unpacked_bytes`: what a compressed archive comes to."""

    name: str
    kind: Kind
    size: int = Field(ge=0)
    sha256: Sha256
    platform: str | None = None
    unpacked_bytes: int | None = Field(default=None, ge=0)


class WeightFile(Record):
    """A file of a model; `sha256` is known where a `SHA256SUMS` lay beside it, or where the file was small enough to be read."""

    name: str
    size: int = Field(ge=0)
    sha256: Sha256 | None = None


class Weights(Record):
    """A model that a profile or a server's command names by its path."""

    path: str
    files: tuple[WeightFile, ...]


class Manifest(Record):
    """The list of a bundle. `left_out` are the kinds that were not wanted, `python` the version that its wheels are for."""

    schema_version: Literal[1] = 1
    kit_version: str
    profile: str
    profile_sha256: str
    run: str | None = None
    python: str | None = None
    left_out: tuple[Kind, ...] = ()
    weights: tuple[Weights, ...] = ()
    members: tuple[Member, ...]

    def of(self, *kinds: Kind) -> tuple[Member, ...]:
        """The files of some kinds."""
        return tuple(member for member in self.members if member.kind in kinds)
