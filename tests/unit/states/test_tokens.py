"""Texts as tokens."""

import pytest

from infogeo.files.errors import InfogeoError
from infogeo.states.tokens import _end_bytes, encode, load_tokenizer


def test_encoding_keeps_special_tokens_and_counts_bytes(tiny_model_dir):
    tokenizer = load_tokenizer(tiny_model_dir("gpt_neox"))
    texts = ["a", "état 数 of the matrix 数", "the sum of the mean of the axis"]
    encoded = encode(tokenizer, texts, 6, 4, "spectra.n")
    assert encoded.corpus_rows.tolist() == [1, 2]
    assert encoded.lengths.tolist() == [6, 6]
    assert encoded.special_mask.reshape(2, 6).tolist() == [[True] + [False] * 5] * 2
    assert (encoded.token_ids[[0, 6]] == tokenizer.bos_token_id).all()
    for place, index in enumerate(encoded.corpus_rows):
        span = slice(*encoded.offsets[place : place + 2])
        raw = texts[index].encode()
        for token, end in enumerate(encoded.token_end_byte[span]):
            prefix = tokenizer.decode(encoded.token_ids[span][1 : token + 1])
            if "\N{REPLACEMENT CHARACTER}" not in prefix:  # not within a character
                assert raw[:end].decode() == prefix
        assert encoded.token_end_byte[span][0] == 0


def test_a_token_that_stands_for_no_text_ends_where_the_one_before_does():
    spans = [(0, 0), (0, 1), (1, 3), (0, 0)]  # as begin and end of text are given
    assert _end_bytes("été", spans).tolist() == [0, 2, 5, 5]


def test_no_text_long_enough_says_how_long_the_longest_is_and_which_setting_asks_for_more(
    tiny_model_dir,
):
    tokenizer = load_tokenizer(tiny_model_dir("gpt_neox"))
    for setting in ("spectra.n", "sentences.n"):
        message = rf"{setting} asks for n = 50 .* longest of 2 texts has 5 .*Lower {setting}"
        with pytest.raises(InfogeoError, match=message):
            encode(tokenizer, ["the sum", "of"], 50, 50, setting)
