import pytest

from pellucid.errors import Cancelled
from pellucid.utils.progress import counted_progress, split_progress


def test_each_step_is_reported_and_the_work_can_be_cancelled():
    calls = []
    for _ in counted_progress(lambda *now: calls.append(now), 3):
        pass
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert list(counted_progress(None, 2)) == [None] * 3
    with pytest.raises(Cancelled, match="cancelled after 2 of 3 tiles"):
        list(counted_progress(lambda done, total: done < 2, 3))


def test_two_pieces_of_work_report_to_one_progress():
    calls = []
    first, second = split_progress(lambda *now: calls.append(now), 0.9, parts=100)
    for done in (0, 0.5, 1):
        first(done)
    assert second
    for _ in counted_progress(second, 4):
        pass
    fractions = [done / total for done, total in calls]
    assert fractions == sorted(fractions) and fractions[:3] == [0, 0.45, 0.9] and fractions[-1] == 1
    assert {total for _, total in calls} == {100}


def test_either_piece_of_work_can_be_cancelled():
    first, second = split_progress(lambda done, total: done < 45, 0.9, parts=100)
    first(0.4)
    with pytest.raises(Cancelled, match="after 50% of the training"):
        first(0.5)
    assert second and second(0, 4) is False


def test_the_progress_is_optional():
    first, second = split_progress(None, 0.9)
    assert first(0.5) is None and second is None
