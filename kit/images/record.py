"""`images/lock.json`: for every image and platform what it was built from, and the content that came out."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from kit.errors import UsageError
from kit.images import Image
from kit.model import Record
from kit.model.record import Pairs

FILE = "lock.json"
_DIGEST = r"^sha256:[0-9a-f]{64}$"


class Built(Record):
    """One image as it was built: `image` is its id on the machine that built it, `content` is the same on every machine."""

    name: str
    version: str | None = None
    platform: str
    inputs_digest: str = Field(pattern=_DIGEST)
    inputs: Pairs
    image: str = Field(pattern=_DIGEST)
    content: str = Field(pattern=_DIGEST)
    size: int = Field(gt=0)

    def is_of(self, image: Image) -> bool:
        """Whether this is a record of that image."""
        return (self.name, self.version, self.platform) == (image.name, image.version, image.platform)


class Lock(Record):
    """The whole file."""

    schema_version: int = Field(default=1, alias="schema", ge=1, le=1)
    images: tuple[Built, ...] = ()

    def of(self, image: Image) -> Built | None:
        """The record of one image."""
        return next((built for built in self.images if built.is_of(image)), None)

    def with_records(self, records: Iterable[Built]) -> "Lock":
        """The same with these records put in or replaced, in a fixed order."""
        key = {(one.name, one.version or "", one.platform): one for one in (*self.images, *records)}
        return Lock(schema=1, images=tuple(key[name] for name in sorted(key)))

    def to_bytes(self) -> bytes:
        """The stored form."""
        return (self.model_dump_json(indent=1, by_alias=True) + "\n").encode()


def read(images: Path) -> Lock:
    """The record that comes with kit; empty where there is none."""
    path = images / FILE
    try:
        return Lock.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Lock(schema=1)
    except ValidationError as error:
        raise UsageError(f"{path} is not a record of images: {error.errors()[0]['msg']}") from error
