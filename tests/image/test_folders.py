"""Where each image of a batch goes, and what becomes of the rest when one fails."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.errors import UsageError
from pellucid.image import read_image, write_image
from pellucid.image.folders import Task, convert, find_images, plan_tasks, read_planes
from pellucid.input_spec import InputSpec

DASH = Path("-")


@pytest.fixture
def tree(tmp_path):
    for name in ("b.png", "a.jpg", "deep/c.png", "deep/er/d.tif"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "in" / name, np.full((8, 9, 3), 90, np.uint8))
    return tmp_path / "in"


class Stream(io.BytesIO):
    """Standard input or output as a test has it."""

    def __init__(self, data=b"", terminal=False):
        super().__init__(data)
        self.buffer, self.terminal = self, terminal

    def isatty(self):
        return self.terminal


def names(found):
    return [str(name) for _, name in found]


def test_folders_are_searched_as_deep_as_asked(tree):
    assert names(find_images([tree], recursive=False)) == ["a.jpg", "b.png"]
    assert names(find_images([tree])) == ["a.jpg", "b.png", "deep/c.png", "deep/er/d.tif"]


@pytest.mark.parametrize("relative", [False, True])
def test_patterns_that_the_shell_left_are_filled(refusal, tree, monkeypatch, relative):
    monkeypatch.chdir(tree)
    root = Path() if relative else tree
    assert names(find_images([root / "*.png"])) == ["b.png"]
    assert names(find_images([root / "**" / "*.png"])) == ["b.png", "c.png"]
    assert names(find_images([root / "[ab].*"])) == ["a.jpg", "b.png"]
    assert "check the pattern" in refusal(find_images, [root / "*.gif"])
    assert "does not exist" in refusal(find_images, [root / "z.png"])
    (tree / "odd[1].png").write_bytes((tree / "b.png").read_bytes())
    assert names(find_images([root / "odd[1].png"])) == ["odd[1].png"], "a name, not a pattern"


def test_trees_and_names_are_kept(tree, tmp_path):
    tasks = plan_tasks([tree], tmp_path / "out")
    assert [str(task.target.relative_to(tmp_path)) for task in tasks] == [
        "out/a.jpg",
        "out/b.png",
        "out/deep/c.png",
        "out/deep/er/d.tif",
    ]
    assert convert(tasks, lambda image, name: image.pixels) == []
    assert read_image(tmp_path / "out" / "deep" / "er" / "d.tif").format == "TIFF"


def test_raw_files_become_tiff_and_may_clash(refusal, tree, tmp_path):
    (tree / "e.NEF").touch()
    assert plan_tasks([tree / "e.NEF"], tmp_path / "out")[0].target.name == "e.tif"
    (tree / "e.tif").touch()
    assert "would both become" in refusal(plan_tasks, [tree], tmp_path / "out")


def test_what_exists_is_refused_skipped_or_replaced(refusal, tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").touch()
    assert "b.png exists already" in refusal(plan_tasks, [tree], tmp_path / "out")
    assert len(plan_tasks([tree], tmp_path / "out", "skip")) == 3
    assert len(plan_tasks([tree], tmp_path / "out", "overwrite")) == 4
    assert "is an original" in refusal(plan_tasks, [tree], tree, "overwrite")


def test_the_rest_is_done_when_one_fails(tree, tmp_path):
    (tree / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    tasks = plan_tasks([tree], tmp_path / "out")

    def work(image, name):
        if name == "a.jpg":
            raise MemoryError
        return image.pixels

    failures = convert(tasks, work)
    assert [failure.source.name for failure in failures] == ["a.jpg", "b.png"]
    assert "memory" in failures[0].reason and "cut short" in failures[1].reason
    assert (tmp_path / "out" / "deep" / "c.png").exists() and not (tmp_path / "out" / "b.png").exists()


def test_limits_hold_for_every_file(tree, tmp_path):
    failures = convert(plan_tasks([tree], tmp_path / "out"), lambda image, name: image.pixels, max_pixels=71)
    assert len(failures) == 4 and all("max_pixels" in failure.reason for failure in failures)


# Pipes


def test_an_image_goes_through_a_pipe(tree, tmp_path, monkeypatch):
    out = Stream()
    monkeypatch.setattr(sys, "stdin", Stream((tree / "deep" / "er" / "d.tif").read_bytes()))
    monkeypatch.setattr(sys, "stdout", out)
    (task,) = plan_tasks([DASH], DASH)
    assert task == Task(DASH, DASH, "standard input")
    assert convert([task], lambda image, name: image.pixels // 2) == []
    found = read_image(io.BytesIO(out.getvalue()))
    assert found.format == "TIFF" and (found.pixels == 45).all()


def test_a_pipe_at_one_end(tree, tmp_path, monkeypatch):
    out = Stream()
    monkeypatch.setattr(sys, "stdout", out)
    convert(plan_tasks([tree / "b.png"], DASH), lambda image, name: image.pixels)
    assert out.getvalue().startswith(b"\x89PNG")
    monkeypatch.setattr(sys, "stdin", Stream(out.getvalue()))
    convert(plan_tasks([DASH], tmp_path / "c.tif"), lambda image, name: image.pixels)
    assert read_image(tmp_path / "c.tif").pixels.shape == (8, 9, 3)
    assert plan_tasks([DASH], tmp_path / "c.tif", "skip") == ()


@pytest.mark.parametrize(
    ("inputs", "out", "terminal", "word"),
    [
        (["-", "b.png"], "-", False, "not 2"),
        (["."], "-", False, "not 4"),
        (["-"], "folder", False, "an image's suffix"),
        (["-"], "c.png", True, "terminal"),
        (["b.png"], "-", True, "terminal"),
        (["-"], "b.png", False, "exists already"),
    ],
)
def test_pipes_that_cannot_be(tree, monkeypatch, inputs, out, terminal, word):
    monkeypatch.chdir(tree)
    monkeypatch.setattr(sys, "stdin", Stream(terminal=terminal))
    monkeypatch.setattr(sys, "stdout", Stream(terminal=terminal))
    with pytest.raises(UsageError, match=word):
        plan_tasks([Path(entry) for entry in inputs], Path(out))


def test_stacks_are_not_read_as_one_image(refusal, random, tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", random((3, 8, 8)), photometric="minisblack")
    assert "3 pages" in refusal(read_planes, tmp_path / "a.tif", InputSpec(channels=(1,)))
