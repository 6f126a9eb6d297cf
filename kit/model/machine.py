"""The machine that a profile expects."""

from typing import Literal

from pydantic import Field

from kit.model.record import Record


class AcceleratorWish(Record):
    """The accelerators that the profile expects."""

    kind: str
    model: str | None = None
    count: int = Field(gt=0)
    memory_gib: int | None = Field(default=None, gt=0)


class Machine(Record):
    """The machine that the profile expects."""

    architecture: Literal["x86_64", "aarch64"] | None = None
    accelerator: AcceleratorWish | None = None
