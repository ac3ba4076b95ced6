"""Tokens: cuts texts as the model does; the only room of the tokenizers library."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentic_rag.errors import RetrievalUnavailable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SURROGATE = re.compile("[\ud800-\udfff]")
_CHARS_PER_TOKEN = 16  # more than a token has, but for white space and very long words
_BATCH = 256  # texts: what is known of their tokens is kept only for so many at a time


class Tokens:
    """The model's tokenizer, told how many tokens the model reads.

    Attributes:
        max_tokens: what the model reads of a text, special tokens not counted.
    """

    def __init__(self, tokenizer: "Tokenizer", model_reads: int) -> None:
        # as they come, they may cut off and fill up
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.max_tokens = model_reads - tokenizer.num_special_tokens_to_add(is_pair=False)

    @classmethod
    def parse(cls, text: str, model_reads: int) -> "Tokens":
        """Read the content of a `tokenizer.json`.

        Raises:
            RetrievalUnavailable: it is not a tokenizer.
        """
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_str(text), model_reads)
        except Exception as error:  # the library has no narrower one
            raise RetrievalUnavailable("the embedder's tokenizer.json cannot be read") from error

    def ids(self, text: str) -> list[int]:
        """Return the ids of what the model reads of a text, special tokens included."""
        text = without_surrogates(text)
        size = _CHARS_PER_TOKEN * self.max_tokens
        while True:
            encoded = self._tokenizer.encode(text[:size], add_special_tokens=False)
            # where a word was cut in two, it lies far behind what the model reads
            if size >= len(text) or len(encoded) > 2 * self.max_tokens:
                break
            size *= 8
        encoded.truncate(self.max_tokens)
        return list(self._tokenizer.post_process(encoded).ids)

    def ends(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Return where each token of each text ends, in characters; nothing is cut off."""
        found: list[Sequence[int]] = []
        for at in range(0, len(texts), _BATCH):
            batch = [without_surrogates(text) for text in texts[at : at + _BATCH]]
            for encoded in self._tokenizer.encode_batch(batch, add_special_tokens=False):
                found.append([end for _, end in encoded.offsets])
        return found

    def text(self) -> str:
        """Return the content of a `tokenizer.json`."""
        return str(self._tokenizer.to_str())


def without_surrogates(text: str) -> str:
    """Replace halves of characters, which no tokenizer takes, one for one.

    >>> len(without_surrogates("a" + chr(0xD83D)))
    2
    """
    return _SURROGATE.sub("\ufffd", text)
