import pytest

from pellucid.errors import PellucidError, UsageError
from pellucid.own_data.split import group_names, held_out


def test_groups_by_expression_and_by_content():
    names = ("p1_a.png", "p1_b.png", "p2_a.png")
    assert group_names(names, ("x", "y", "x"), "") == ("x", "y", "x")
    assert group_names(names, ("x", "y", "x"), r"^(p\d+)_") == ("p1", "p1", "p2")
    assert group_names(names, ("x", "y", "x"), r"p\d+") == ("p1", "p1", "p2")


def test_bad_expressions_are_named():
    with pytest.raises(UsageError, match="is no regular expression"):
        group_names(("a",), ("x",), "(")
    with pytest.raises(UsageError, match=r"finds nothing in b\.png"):
        group_names(("a.png", "b.png"), ("x", "y"), "a")


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("sizes", [[1] * 20, [4] * 24, [7, 1, 3, 2, 9, 4], [50, 50]])
def test_about_the_share_is_held_out_in_whole_groups(sizes, share):
    groups = {f"group {number}": size for number, size in enumerate(sizes)}
    chosen = held_out(groups, share)
    count = sum(groups[name] for name in chosen)
    assert 0 < len(chosen) < len(groups)
    assert count <= max(1.5 * share * sum(sizes), min(sizes))
    if len(set(sizes)) == 1 and len(sizes) >= 10 and share < 0.9:
        assert count == pytest.approx(share * sum(sizes), abs=sizes[0])


def test_the_choice_depends_on_the_names_alone():
    groups = {str(number): 1 for number in range(20)}
    backwards = dict(reversed(groups.items()))
    assert held_out(groups, 0.2) == held_out(backwards, 0.2)


def test_one_group_leaves_nothing():
    with pytest.raises(PellucidError, match="nothing to hold out"):
        held_out({"a": 9}, 0.2)
