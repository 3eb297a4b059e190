from collections import Counter

import numpy as np
import pytest

from pellucid.data.random_text import TextGenerator, languages


def writer(language="english", seed=0):
    return TextGenerator(np.random.default_rng(seed), language)


@pytest.mark.parametrize("language", languages())
def test_every_language_writes_in_its_own_letters(language):
    letters = Counter(letter for letter in writer(language).paragraph(60).lower() if letter.isalpha())
    latin = sum(count for letter, count in letters.items() if letter < "\u0250")
    assert (latin == 0) == (language in ("greek", "russian"))
    assert len(letters) > 15


def test_letters_are_as_frequent_as_in_english():
    text = writer().words(4000).lower()
    counts = Counter(letter for letter in text if letter.isalpha())
    fractions = {letter: count / sum(counts.values()) for letter, count in counts.items()}
    for letter, fraction in {"e": 0.12, "t": 0.10, "o": 0.08, "h": 0.06}.items():
        assert fraction == pytest.approx(fraction, rel=0.4)
        assert fractions[letter] == pytest.approx(fraction, rel=0.35)
    assert set("etaoinhsr") >= {letter for letter, _ in counts.most_common(7)}
    assert len(text.split()) == 4000


def test_invented_words_are_new_and_look_alike():
    found = [writer(seed=seed)._invented() for seed in range(300)]
    known = set(writer().words(3000).split())
    assert sum(word not in known for word in found) > 100
    assert all(word and word.isalpha() for word in found) and max(map(len, found)) <= 14


def test_sentences_begin_large_and_end_with_a_stop():
    for seed in range(50):
        text = writer(seed=seed).sentence()
        assert text[0] == text[0].upper() and text[-1] in ".?!" and "\n" not in text and "  " not in text


def test_numbers_have_digits_and_formulas_signs():
    for seed in range(50):
        assert any(sign.isdigit() for sign in writer(seed=seed).number())
        assert any(sign in writer(seed=seed).formula() for sign in "=+-·/<≤≈")


def test_the_same_seed_writes_the_same():
    assert writer(seed=3).paragraph(4) == writer(seed=3).paragraph(4) != writer(seed=4).paragraph(4)
