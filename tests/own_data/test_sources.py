from pathlib import Path

import pytest

from pellucid.errors import PellucidError, UsageError
from pellucid.own_data.sources import Item, Sources, matched

A, B, C = Path("a"), Path("b"), Path("c")


@pytest.mark.parametrize(
    ("sources", "kind"),
    [
        (Sources((A,), B), "pairs"),
        (Sources((A, B)), "takes"),
        (Sources((A,)), "noisy"),
        (Sources((), A, ("gaussian(sigma=25)",)), "clean"),
    ],
)
def test_what_folders_make_together(sources, kind):
    assert sources.kind == kind


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (Sources(), "give a RECIPE"),
        (Sources((), None, ("gaussian",)), "--noise alone"),
        (Sources((), A), "--clean alone: say what noise"),
        (Sources((A,), B, ("gaussian",)), "--noise is added to clean images"),
        (Sources((A, B), C), "two takes need no --clean"),
        (Sources((A, B, C)), "--noisy stands 3 times"),
    ],
)
def test_what_makes_nothing_is_refused(sources, said):
    with pytest.raises(UsageError, match=said):
        sources.run_folder()


def test_the_same_folder_twice_and_an_output_inside_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="is given twice"):
        Sources((tmp_path / "a",), tmp_path / "a" / ".." / "a").run_folder(tmp_path / "out")
    for out in (tmp_path / "a", tmp_path / "a" / "deep"):
        with pytest.raises(UsageError, match="name a folder outside"):
            Sources((tmp_path / "a",)).run_folder(out)
    assert Sources((tmp_path / "a",)).run_folder(tmp_path / "ab") == tmp_path / "ab"


def test_a_run_is_named_after_a_folder_that_says_something():
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
    items, alone = matched(Sources((tmp_path / "n",), tmp_path / "c"))
    found = {item.name: item.clean and item.clean.relative_to(tmp_path / "c").as_posix() for item in items}
    assert found == {"x/1.png": "x/1.png", "x/2.JPG": "x/2.png", "IMG_3.JPG": "img_3.png", "4.png": "4.png"}
    assert {path.relative_to(tmp_path).as_posix() for path in alone} == {"n/4.tif", "n/alone.png", "c/y/1.png"}


def test_a_name_that_could_have_two_partners_has_none(tmp_path):
    touch(tmp_path / "n", "1.png", "2.png")
    touch(tmp_path / "c", "1.tif", "1.jpg", "2.png")
    items, alone = matched(Sources((tmp_path / "n",), tmp_path / "c"))
    assert [item.name for item in items] == ["2.png"] and len(alone) == 3


def test_takes_and_single_folders(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png")
    a, b = tmp_path / "a", tmp_path / "b"
    assert matched(Sources((a, b))) == ((Item("1.png", a / "1.png", None, b / "1.png"),), ())
    assert matched(Sources((a,))) == ((Item("1.png", a / "1.png"),), ())
    assert matched(Sources((), a, ("gaussian",))) == ((Item("1.png", None, a / "1.png"),), ())


def test_a_folder_in_the_other_is_not_part_of_it(tmp_path):
    touch(tmp_path, "1.png", "clean/1.png")
    items, alone = matched(Sources((tmp_path,), tmp_path / "clean"))
    assert items == (Item("1.png", tmp_path / "1.png", tmp_path / "clean" / "1.png"),) and not alone
    (tmp_path / "1.png").unlink()
    with pytest.raises(UsageError, match="holds no images but those of"):
        matched(Sources((tmp_path,), tmp_path / "clean"))


def test_no_match_and_no_images_are_told(tmp_path):
    touch(tmp_path, "n/1_noisy.png", "c/1_clean.png")
    with pytest.raises(UsageError, match=r"such as 1_noisy.png and 1_clean.png"):
        matched(Sources((tmp_path / "n",), tmp_path / "c"))
    with pytest.raises(PellucidError, match="is not a folder"):
        matched(Sources((tmp_path / "gone",)))
