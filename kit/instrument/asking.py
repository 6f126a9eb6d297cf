"""What the requests of a round ask for, one by one, where they are not all alike: drawn before the first is sent, the same for the same seed."""

import argparse
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.instrument import prompts
from kit.instrument.prompts import Prompt

DATASET = "kit-prompts"
"""The name under which evalscope knows such requests."""
LONGEST = 8
"""No length is drawn that is more than so many times the mean: one in two thousand of the widest would be (lognormal 100%: one in 500)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request: tokens of its own message (None: as many as the prompt of the file has) and of its answer, and its place in its
    conversation, from 1 on."""

    output: int
    input: int | None = None
    turn: int = 1
    prompt: Prompt | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """The requests of a case: the lengths of a first message, of which `prefix` tokens are the same in all, and of an answer; how they vary
    (`uniform 50%`, `lognormal 80%`); the requests of a conversation and the length of each later message; or prompts from a file."""

    input: int
    output: int
    seed: int
    prefix: int = 0
    vary_input: str | None = None
    vary_output: str | None = None
    turns: int = 1
    later: int | None = None
    file: Path | None = None

    def requests(self, count: int) -> Iterator[Wanted]:
        """So many, in the order in which they are sent (of a conversation: one behind the other)."""
        if self.file is not None:
            yield from self._from_file(self.file, count)
            return
        # Each from a source of its own: other answers are no reason for other prompts.
        given, made = (random.Random(f"lengths {side} {self.seed}") for side in ("in", "out"))
        for number in range(count):
            turn = number % self.turns + 1
            if turn == 1:
                tokens = self.prefix + drawn(given, self.input - self.prefix, self.vary_input)
            else:
                tokens = drawn(given, self.later or self.input, self.vary_input)
            yield Wanted(drawn(made, self.output, self.vary_output), tokens, turn)

    def _from_file(self, file: Path, count: int) -> Iterator[Wanted]:
        """Prompts in an order that is drawn for each round; where there are too few, all of them again."""
        with open(file, encoding="utf-8") as lines:
            found = list(prompts.read(lines))
        random.Random(f"prompts {self.seed}").shuffle(found)
        made = random.Random(f"lengths out {self.seed}")
        for number in range(count):
            prompt = found[number % len(found)]
            yield Wanted(prompt.output or drawn(made, self.output, self.vary_output), prompt=prompt)


def drawn(source: random.Random, mean: int, varied: str | None) -> int:
    """A length around that mean; one token at least."""
    if varied is None:
        return mean
    name, _, percent = varied.partition(" ")
    width = float(percent.removesuffix("%")) / 100
    if name == "uniform":
        return max(1, round(source.uniform(mean * (1 - width), mean * (1 + width))))
    # Mean and standard deviation of a lognormal distribution from those of its logarithm.
    sigma = math.sqrt(math.log1p(width**2))
    length = source.lognormvariate(math.log(mean) - sigma**2 / 2, sigma)
    return max(1, min(round(length), LONGEST * mean))


def told(words: Sequence[str]) -> tuple[Asking | None, list[str]]:
    """What is asked for, where these words tell it, and the words that are none of it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ask", nargs=3, type=int, metavar=("INPUT", "OUTPUT", "SEED"))
    parser.add_argument("--shared", type=int, default=0, metavar="TOKENS")
    parser.add_argument("--vary-input")
    parser.add_argument("--vary-output")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--turn-input", type=int)
    parser.add_argument("--prompts-file", type=Path)
    found, rest = parser.parse_known_args(words)
    if found.ask is None:
        return None, rest
    given, made, seed = found.ask
    asking = Asking(
        given,
        made,
        seed,
        prefix=found.shared,
        vary_input=found.vary_input,
        vary_output=found.vary_output,
        turns=found.turns,
        later=found.turn_input,
        file=found.prompts_file,
    )
    return asking, rest
