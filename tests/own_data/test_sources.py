from pathlib import Path

import pytest

from pellucid.errors import PellucidError, UsageError
from pellucid.own_data.sources import Item, Sources, choose_held_out, group_names, match_files

A, B, C = Path("a"), Path("b"), Path("c")


@pytest.mark.parametrize(
    ("sources", "kind"),
    [
        (Sources((A,), B), "pairs"),
        (Sources((A, B)), "captures"),
        (Sources((A,)), "noisy"),
        (Sources((), A, ("gaussian(sigma=25)",)), "clean"),
    ],
)
def test_the_kind_of_training_that_folders_allow(sources, kind):
    assert sources.kind == kind


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (Sources(), "give a RECIPE"),
        (Sources((), None, ("gaussian",)), "--noise alone"),
        (Sources((), A), "--clean alone: add the noise"),
        (Sources((A,), B, ("gaussian",)), "--noise is added to clean images"),
        (Sources((A, B), C), "two captures need no --clean"),
        (Sources((A, B, C)), "--noisy is given 3 times"),
    ],
)
def test_folders_that_allow_no_training_are_refused(sources, message):
    with pytest.raises(UsageError, match=message):
        sources.run_folder()


def test_the_same_folder_twice_and_an_output_inside_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="is given twice"):
        Sources((tmp_path / "a",), tmp_path / "a" / ".." / "a").run_folder(tmp_path / "out")
    for out in (tmp_path / "a", tmp_path / "a" / "deep"):
        with pytest.raises(UsageError, match="name a folder outside"):
            Sources((tmp_path / "a",)).run_folder(out)
    assert Sources((tmp_path / "a",)).run_folder(tmp_path / "ab") == tmp_path / "ab"


def test_a_run_is_named_after_a_folder_with_a_specific_name():
    assert Sources((Path("/x/scans/noisy"),), Path("/x/scans/clean")).run_folder() == Path("runs/scans")
    assert Sources((Path("/x/scans"),)).name == "scans"
    assert Sources((Path("/noisy"),)).name == "own"


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_files_match_by_path_then_stem_then_case(tmp_path):
    touch(tmp_path / "n", "x/1.png", "x/2.JPG", "IMG_3.JPG", "4.png", "4.tif", "alone.png")
    touch(tmp_path / "c", "x/1.png", "x/2.png", "img_3.png", "4.png", "y/1.png")
    items, unmatched = match_files(Sources((tmp_path / "n",), tmp_path / "c"))
    found = {item.name: item.clean and item.clean.relative_to(tmp_path / "c").as_posix() for item in items}
    assert found == {"x/1.png": "x/1.png", "x/2.JPG": "x/2.png", "IMG_3.JPG": "img_3.png", "4.png": "4.png"}
    assert {path.relative_to(tmp_path).as_posix() for path in unmatched} == {"n/4.tif", "n/alone.png", "c/y/1.png"}


def test_a_name_with_two_possible_partners_has_none(tmp_path):
    touch(tmp_path / "n", "1.png", "2.png")
    touch(tmp_path / "c", "1.tif", "1.jpg", "2.png")
    items, unmatched = match_files(Sources((tmp_path / "n",), tmp_path / "c"))
    assert [item.name for item in items] == ["2.png"] and len(unmatched) == 3


def test_captures_and_single_folders(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png")
    a, b = tmp_path / "a", tmp_path / "b"
    assert match_files(Sources((a, b))) == ((Item("1.png", a / "1.png", None, b / "1.png"),), ())
    assert match_files(Sources((a,))) == ((Item("1.png", a / "1.png"),), ())
    assert match_files(Sources((), a, ("gaussian",))) == ((Item("1.png", None, a / "1.png"),), ())


def test_a_folder_in_the_other_is_not_part_of_it(tmp_path):
    touch(tmp_path, "1.png", "clean/1.png")
    items, unmatched = match_files(Sources((tmp_path,), tmp_path / "clean"))
    assert items == (Item("1.png", tmp_path / "1.png", tmp_path / "clean" / "1.png"),) and not unmatched
    (tmp_path / "1.png").unlink()
    with pytest.raises(UsageError, match="holds no images but those of"):
        match_files(Sources((tmp_path,), tmp_path / "clean"))


def test_no_match_and_no_images_are_errors(tmp_path):
    touch(tmp_path, "n/1_noisy.png", "c/1_clean.png")
    with pytest.raises(UsageError, match=r"such as 1_noisy.png and 1_clean.png"):
        match_files(Sources((tmp_path / "n",), tmp_path / "c"))
    with pytest.raises(PellucidError, match="is not a folder"):
        match_files(Sources((tmp_path / "gone",)))


def test_groups_by_expression_and_by_content():
    names = ("p1_a.png", "p1_b.png", "p2_a.png")
    assert group_names(names, ("x", "y", "x"), "") == ("x", "y", "x")
    assert group_names(names, ("x", "y", "x"), r"^(p\d+)_") == ("p1", "p1", "p2")
    assert group_names(names, ("x", "y", "x"), r"p\d+") == ("p1", "p1", "p2")


def test_bad_expressions_are_named():
    with pytest.raises(UsageError, match="is not a regular expression"):
        group_names(("a",), ("x",), "(")
    with pytest.raises(UsageError, match=r"does not match b\.png"):
        group_names(("a.png", "b.png"), ("x", "y"), "a")


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("sizes", [[1] * 20, [4] * 24, [7, 1, 3, 2, 9, 4], [50, 50]])
def test_about_the_fraction_is_held_out_in_whole_groups(sizes, fraction):
    groups = {f"group {number}": size for number, size in enumerate(sizes)}
    chosen = choose_held_out(groups, fraction)
    count = sum(groups[name] for name in chosen)
    assert 0 < len(chosen) < len(groups)
    assert count <= max(1.5 * fraction * sum(sizes), min(sizes))
    if len(set(sizes)) == 1 and len(sizes) >= 10 and fraction < 0.9:
        assert count == pytest.approx(fraction * sum(sizes), abs=sizes[0])


def test_the_held_out_groups_depend_on_the_names_alone():
    groups = {str(number): 1 for number in range(20)}
    backwards = dict(reversed(groups.items()))
    assert choose_held_out(groups, 0.2) == choose_held_out(backwards, 0.2)


def test_one_group_leaves_nothing_to_hold_out():
    with pytest.raises(PellucidError, match="nothing to hold out"):
        choose_held_out({"a": 9}, 0.2)
