"""The toy model's vocabulary, chat template and tokenizer files, for `make_model.py`.

Any run of consecutive token ids below `len(Vocabulary().tokens)` decodes to text that encodes to equally many tokens,
so a load generator that draws its prompts that way sends exactly the length it was asked for.
"""

from __future__ import annotations

from typing import Final

BEGIN: Final = "<|begin|>"
END: Final = "<|end|>"
SPECIAL: Final = (BEGIN, END, "<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE: Final = """\
{{ bos_token }}\
{% for message in messages %}\
{{ '<|' + message['role'] + '|>' }}{{ message['content'] }}\
{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}\
{% endfor %}\
{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"""

# DeepSeek V3's split of text into pieces: three expressions, applied in turn. llama.cpp knows them by this name.
PRE_TOKENIZER: Final = "deepseek-v3"
_PIECES: Final = (
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    (
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|"
        r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
)


class Vocabulary:
    """Byte-level BPE: the 256 bytes in order, U+FFFD, then words that grow letter by letter from a space.

    Bytes stay in their natural order because then no neighbours above 0x7f ever form a character: each decodes to one
    U+FFFD, which is one token again. A word only merges from its space rightwards, so neighbouring words stay apart.
    """

    def __init__(self) -> None:
        """Lay out the tokens: bytes, merges in the order of their rank, special tokens."""
        letters = _byte_letters()
        space = letters[0x20]
        first, second, third = (letters[byte] for byte in "\ufffd".encode())
        replacement = [(first, second), (first + second, third)]
        starts = [(space, letter) for letter in "abcdefghijklmnopqrstuvwxyz"]
        syllables = [(space + letter, vowel) for _, letter in starts if letter not in "aeiou" for vowel in "aeiou"]
        words = [(start + vowel, last) for start, vowel in syllables for last in "lmnrst"]
        self.merges = replacement + starts + syllables + words
        self.tokens = letters + [left + right for left, right in self.merges]
        self.first_word = len(letters) + len(replacement)
        self.special = {token: len(self.tokens) + index for index, token in enumerate(SPECIAL)}
        self.size = len(self.tokens) + len(SPECIAL)


def _byte_letters() -> list[str]:
    """Return the printable stand-in of each byte, by byte value, as every byte-level BPE since GPT-2 writes it."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def tokenizer_json(vocabulary: Vocabulary) -> dict[str, object]:
    """Return `tokenizer.json`: the vocabulary and the pieces that the GGUF file gives llama.cpp."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    splits = [
        {"type": "Split", "pattern": {"Regex": pieces}, "behavior": "Isolated", "invert": False} for pieces in _PIECES
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": token, **flags} for token, number in vocabulary.special.items()],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*splits, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(vocabulary.tokens)},
            "merges": [list(pair) for pair in vocabulary.merges],
        },
    }


def tokenizer_config(context: int) -> dict[str, object]:
    """Return `tokenizer_config.json`; no class of the model's own, so nothing has to be trusted to load it."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": END,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        "chat_template": CHAT_TEMPLATE,
    }
