"""Texts as tokens: the tokenizer of a model, and what it makes of a corpus."""

from dataclasses import dataclass

import numpy as np
import transformers

from infogeo.jobs import narrow_imports
from infogeo.files.errors import InfogeoError


@dataclass
class Encoded:
    """Texts as tokens, one text after another.

    Attributes
    ----------
    corpus_rows : (texts,) int64 ndarray
        Which of the corpus's texts these are; the others were too short.
    offsets : (texts + 1,) int64 ndarray
        Where each text starts.
    token_ids : (T,) int32 ndarray
    special_mask : (T,) bool ndarray
        Tokens that the tokenizer added.
    token_end_byte : (T,) int32 ndarray
        UTF-8 byte offset in the text at which each token ends; that of the token before where a
        token covers no text.
    """

    corpus_rows: np.ndarray
    offsets: np.ndarray
    token_ids: np.ndarray
    special_mask: np.ndarray
    token_end_byte: np.ndarray

    def __len__(self):
        return len(self.corpus_rows)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    def text(self, index: int) -> np.ndarray:
        """Token ids of one text. (n,) int32."""
        return self.token_ids[self.offsets[index] : self.offsets[index + 1]]

    def cut_to_each(self, lengths) -> "Encoded":
        """Each text once for each of these lengths that it has, cut to it, shortest first."""
        pairs = [
            (text, n) for text, own in enumerate(self.lengths) for n in sorted(lengths) if n <= own
        ]
        texts, sizes = np.array(pairs, dtype=np.int64).T
        places = np.concatenate([self.offsets[text] + np.arange(n) for text, n in pairs])
        return Encoded(
            self.corpus_rows[texts],
            np.concatenate([[0], np.cumsum(sizes)]),
            self.token_ids[places],
            self.special_mask[places],
            self.token_end_byte[places],
        )


def load_tokenizer(directory, trust_remote_code: bool = False):
    """The tokenizer in a directory in Hugging Face format.

    Raises
    ------
    InfogeoError
        Where there is none, or one that cannot say which bytes a token covers.
    """
    narrow_imports.narrow()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(directory), local_files_only=True, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InfogeoError(
            f"{directory}: no tokenizer can be loaded ({error}). The directory must hold "
            "tokenizer.json and tokenizer_config.json beside the weights."
        ) from error
    if not tokenizer.is_fast:
        raise InfogeoError(
            f"{directory}: its tokenizer gives no offsets into the text. Save it as a fast "
            "tokenizer (tokenizer.json)."
        )
    return tokenizer


def encode(tokenizer, texts, n: int, shortest: int, setting: str) -> Encoded:
    """Encode texts with the special tokens that the tokenizer adds, and cut them to n tokens.

    Parameters
    ----------
    tokenizer : fast Hugging Face tokenizer
    texts : sequence of str
    n : int
        Most tokens of a text.
    shortest : int
        Texts of fewer tokens are left out.
    setting : str
        Key of the configuration that sets n, for the message.

    Raises
    ------
    InfogeoError
        Where no text has n tokens.
    """
    rows, ids, special, ends, longest = [], [], [], [], 0
    for index, text in enumerate(texts):
        encoded = tokenizer(
            text,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_attention_mask=False,
            verbose=False,  # no warning on texts beyond the model's context: they are cut here
        )
        length = len(encoded["input_ids"])
        longest = max(longest, length)
        if length < shortest:
            continue
        rows.append(index)
        ids.append(np.array(encoded["input_ids"][:n], dtype=np.int32))
        special.append(np.array(encoded["special_tokens_mask"][:n], dtype=bool))
        ends.append(_end_bytes(text, encoded["offset_mapping"][:n]))
    if longest < n:
        raise InfogeoError(
            f"No text is long enough: config {setting} asks for n = {n} tokens, and the longest of "
            f"{len(texts)} texts has {longest} with this model's tokenizer. Lower {setting}, or "
            "raise the corpus's min_characters or number of texts."
        )
    return Encoded(
        np.array(rows, dtype=np.int64),
        np.concatenate([[0], np.cumsum([len(text_ids) for text_ids in ids])]),
        np.concatenate(ids),
        np.concatenate(special),
        np.concatenate(ends),
    )


def _end_bytes(text: str, spans) -> np.ndarray:
    """The byte at which each token ends, from its span of characters. (n,) int32."""
    ends = np.array([end for _, end in spans], dtype=np.int64)
    if not text.isascii():
        last = int(ends.max(initial=0))
        sizes = [len(character.encode("utf-8", "surrogatepass")) for character in text[:last]]
        ends = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])[ends]
    return np.maximum.accumulate(ends).astype(np.int32)
