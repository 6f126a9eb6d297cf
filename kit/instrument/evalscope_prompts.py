"""Prompts for requests that are not all alike: evalscope's own random ones, each of a length of its own, or those of a file."""

import copy
from collections.abc import Iterator
from typing import ClassVar

from evalscope.perf.arguments import Arguments
from evalscope.perf.plugin.datasets.base import DatasetPluginBase
from evalscope.perf.plugin.datasets.random_dataset import RandomDatasetPlugin

from kit.instrument.asking import Wanted


class Prompts(DatasetPluginBase):  # type: ignore[misc]
    """For 1.0.1 and 1.14.1. `wanted` are the requests of the round, in their order."""

    wanted: ClassVar[list[Wanted]] = []
    prefix: ClassVar[int] = 0

    def build_messages(self) -> Iterator[object]:
        first = _Random(self.query_parameters, self.prefix)
        later = _Random(self.query_parameters, 0) if self.prefix and any(one.turn > 1 for one in self.wanted) else first
        for one in self.wanted:
            if one.prompt is not None:
                yield one.prompt.messages
            elif one.input is not None:
                yield (first if one.turn == 1 else later).message(one.input)

    def supports_parallel_message_generation(self, total_count: int | None = None) -> bool:
        """They are made one after the other."""
        del total_count
        return False


class _Random:
    """evalscope's random prompts, one at a time; it is made when the first is wanted, since it reads the tokenizer."""

    def __init__(self, parameters: Arguments, prefix: int) -> None:
        self._parameters = copy.copy(parameters)
        self._parameters.prefix_length = prefix
        self._source: RandomDatasetPlugin | None = None
        self._least = 1

    def message(self, tokens: int) -> object:
        """A message with which the prompt has so many tokens, those of the chat template included."""
        if self._source is None:
            self._source = RandomDatasetPlugin(self._parameters)
            self._source.number = 1
            # Nothing is shorter than what the template adds to one token.
            self._least = 1 + (self._source.get_template_len() if self._parameters.apply_chat_template else 0)
        length = max(self._least, tokens - self._parameters.prefix_length)
        self._parameters.min_prompt_length = self._parameters.max_prompt_length = length
        return next(iter(self._source.build_messages()))
