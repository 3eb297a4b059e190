from pathlib import Path

import pytest

from pellucid.server.errors import Problem
from pellucid.server.reference_matching import paired
from pellucid.server.uploads import Upload


def uploads(*names: str) -> list[Upload]:
    """Return files as they were received; those called .txt are no images."""
    return [
        Upload("", name, Path(f"spool-{name}"), 3, Problem(415, f"{name} is none") if name.endswith(".txt") else None)
        for name in names
    ]


@pytest.mark.parametrize(
    ("names", "references", "matched"),
    [
        (["a.pgm", "b.pgm"], [], [None, None]),
        (["a.pgm", "b.pgm"], ["B.PNG"], [None, "B.PNG"]),
        (["a.pgm", "b.pgm"], ["b.png", "a.png"], ["a.png", "b.png"]),
        (["a.pgm", "b.pgm"], ["1.png", "2.png"], ["1.png", "2.png"]),
        (["a.pgm"], ["other.png"], ["other.png"]),
    ],
)
def test_references_find_their_images(names, references, matched):
    found = paired(uploads(*names), uploads(*references))
    assert [(upload.name, upload.source, upload.error) for upload in found] == [
        (name, Path(f"spool-{name}"), None) for name in names
    ]
    assert [upload.reference for upload in found] == [name and Path(f"spool-{name}") for name in matched]


@pytest.mark.parametrize(
    ("names", "references", "words"),
    [
        (["a.pgm", "b.pgm"], ["c.pgm"], "1 references for 2 images"),
        (["a.pgm"], ["a.pgm", "A.pgm"], "2 references for 1 images"),
        ([], ["a.pgm"], "send at least one as files"),
    ],
)
def test_references_that_belong_to_nothing_are_refused(names, references, words):
    with pytest.raises(Problem, match=words) as caught:
        paired(uploads(*names), uploads(*references))
    assert caught.value.status_code == 422


@pytest.mark.parametrize(
    ("names", "references", "errors"),
    [
        (["a.pgm", "b.txt"], [], [None, "b.txt is none"]),
        (["a.txt", "b.pgm"], ["b.png"], ["a.txt is none", None]),
        (["a.pgm", "b.pgm"], ["b.txt"], [None, "b.txt is none"]),
    ],
)
def test_what_cannot_be_taken_fails_by_itself(names, references, errors):
    assert [upload.error for upload in paired(uploads(*names), uploads(*references))] == errors


@pytest.mark.parametrize(
    ("names", "references"), [(["a.txt"], []), (["a.txt", "b.txt"], []), (["b.pgm"], ["a.txt"]), (["a.txt"], ["a.pgm"])]
)
def test_where_nothing_can_be_taken_the_first_is_told(names, references):
    with pytest.raises(Problem, match=r"a\.txt is none") as caught:
        paired(uploads(*names), uploads(*references))
    assert caught.value.status_code == 415
