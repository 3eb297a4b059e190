import pytest

from pellucid.errors import Cancelled
from pellucid.utils.progress import shared, told


def test_it_tells_each_step_and_ends_when_asked_to():
    heard = []
    for _ in told(lambda *now: heard.append(now), 3):
        pass
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert list(told(None, 2)) == [None] * 3
    with pytest.raises(Cancelled, match="cancelled after 2 of 3 tiles"):
        list(told(lambda done, total: done < 2, 3))


def test_two_works_in_a_row_share_one_progress():
    heard = []
    first, second = shared(lambda *now: heard.append(now), 0.9, parts=100)
    for done in (0, 0.5, 1):
        first(done)
    assert second
    for _ in told(second, 4):
        pass
    shares = [done / total for done, total in heard]
    assert shares == sorted(shares) and shares[:3] == [0, 0.45, 0.9] and shares[-1] == 1
    assert {total for _, total in heard} == {100}


def test_either_work_can_be_cancelled():
    first, second = shared(lambda done, total: done < 45, 0.9, parts=100)
    first(0.4)
    with pytest.raises(Cancelled, match="after 50% of the training"):
        first(0.5)
    assert second and second(0, 4) is False


def test_nobody_has_to_listen():
    first, second = shared(None, 0.9)
    assert first(0.5) is None and second is None
