import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.metrics.character_error import CharacterError, edit_distance, normalize_text
from pellucid.metrics.word_error import WordError

short = st.text(alphabet="abc ", max_size=9)


def by_definition(first, second):
    """Return the distance as Wagner and Fischer's recursion states it."""

    @functools.cache
    def distance(one, other):
        if not one or not other:
            return one + other
        changed = distance(one - 1, other - 1) + (first[one - 1] != second[other - 1])
        return min(changed, distance(one - 1, other) + 1, distance(one, other - 1) + 1)

    return distance(len(first), len(second))


@given(first=short, second=short)
def test_the_distance_is_that_of_the_definition(first, second):
    assert edit_distance(first, second) == by_definition(first, second)


@given(first=short, second=short, third=short)
def test_the_distance_is_a_metric(first, second, third):
    assert edit_distance(first, second) == edit_distance(second, first)
    assert (edit_distance(first, second) == 0) == (first == second)
    assert edit_distance(first, third) <= edit_distance(first, second) + edit_distance(second, third)


@pytest.mark.parametrize(
    ("first", "second", "distance"), [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("flaw", "lawn", 2)]
)
def test_known_distances(first, second, distance):
    assert edit_distance(first, second) == distance
    assert edit_distance(list(first), tuple(second)) == distance


def test_texts_are_compared_without_their_layout_and_ligatures():
    assert normalize_text(" a\n\n b\tc\f ") == "a b c" and normalize_text("\ufb01ne") == "fine"


def test_rates_are_relative_to_the_reference():
    references = ["the cat sat", "the cat sat", "ab"]
    texts = ["the\ncat  sat", "the bat", "abcdef"]
    np.testing.assert_allclose(CharacterError()(texts, references), [0, 5 / 11, 2])
    np.testing.assert_allclose(WordError()(texts, references), [0, 2 / 3, 1])


def test_an_empty_reference_counts_the_edits():
    np.testing.assert_array_equal(CharacterError()(["abc", ""], ["", ""]), [3, 0])
    np.testing.assert_array_equal(WordError()(["a b", ""], ["", " "]), [2, 0])
