"""What an hour of the hardware costs, from a small file of prices that the site writes."""

from pathlib import Path

from pydantic import Field, ValidationError

from kit import bounded, documents
from kit.comparing.sides import Side
from kit.errors import Problem, UsageError
from kit.model.record import Record

MOST_BYTES = 1_000_000
EXAMPLE = "currency: CNY\naccelerators: {910B4: 6.5}\nruns: {20251229-101500-a: 20}"


class Prices(Record):
    """Prices of one hour: of one accelerator by its model, or of the whole machine by the name of a run or a file."""

    currency: str = Field(min_length=1, max_length=12)
    accelerators: dict[str, float] = Field(default_factory=dict)
    runs: dict[str, float] = Field(default_factory=dict)

    def hourly(self, side: Side) -> float | None:
        """Of the machine of one side; None where no price fits. The name of the run goes first."""
        if side.name in self.runs:
            return self.runs[side.name]
        if side.accelerator is None or side.accelerators is None:
            return None
        named = side.accelerator.casefold()
        fitting = [model for model in self.accelerators if model.casefold() in named]
        # The longest name is the closest: 910B4-1 before 910B.
        return self.accelerators[max(fitting, key=len)] * side.accelerators if fitting else None


def read(path: Path) -> Prices:
    """The prices in a YAML file. Raises `UsageError` with everything that is wrong in it."""
    try:
        data = documents.read(bounded.read(path, MOST_BYTES).decode("utf-8"), path.name, {})
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text (byte {error.start})") from error
    try:
        found = Prices.model_validate(data)
    except ValidationError as error:
        problems = [Problem(".".join(map(str, entry["loc"])), entry["msg"]) for entry in error.errors()]
        raise UsageError(f"{path} is no file of prices", problems=problems, hint=f"such as\n{EXAMPLE}") from error
    wrong = [
        (name, price) for name, price in (*found.accelerators.items(), *found.runs.items()) if not 0 < price < 1e12
    ]
    if wrong:
        problems = [Problem(name, f"a price of {price:g} cannot be") for name, price in wrong]
        raise UsageError(f"{path} is no file of prices", problems=problems)
    return found
