"""Images on the terminal: what there is, and what came out of a build."""

from collections.abc import Sequence
from datetime import UTC, datetime

from kit.cli.output import stdout
from kit.cli.tables import Column, Rows
from kit.cli.terminal import echo
from kit.formats import duration
from kit.images.archive import Held
from kit.images.building import Outcome
from kit.workflows.imaging import Listed

_SHORT = 19  # "sha256:" and twelve digits


def megabytes(size: int) -> str:
    """As Docker writes sizes: 817 MB."""
    return f"{size / 1e6:.0f} MB"


def listed(found: Sequence[Listed]) -> None:
    """One line per image and platform."""
    titles = ("image", "platform", "state", "size", "id", "content", "age")
    columns = [Column(title, right=title in ("size", "age"), folds=title == "state") for title in titles]
    rows = []
    now = datetime.now(UTC)
    for entry in found:
        age = duration(max(0.0, (now - entry.placed).total_seconds())) if entry.placed is not None else "—"
        row = (
            f"{entry.name}/{entry.version}" if entry.version else entry.name,
            entry.platform,
            entry.state,
            megabytes(entry.size_bytes) if entry.size_bytes is not None else "—",
            entry.id[:_SHORT] if entry.id else "—",
            entry.content[:_SHORT] if entry.content else "—",
            age if entry.id else "—",
        )
        rows.append(row)
    stdout().print(Rows(columns, rows))


def built(outcome: Outcome, agreement: str) -> None:
    """What became of one image."""
    image = outcome.image
    state = "built" if outcome.changed else "unchanged"
    content = f", content {outcome.built.content} ({agreement})" if outcome.built is not None else ""
    echo(f"{image.title} {image.platform}: {state}, {megabytes(outcome.size_bytes)}, {outcome.id}{content}")


def held(found: Sequence[Held]) -> None:
    """The images of an archive."""
    for image in found:
        echo(f"{', '.join(image.tags) or 'without a name'} {image.platform} {image.id}")
