"""The check of names and prose against docs/glossary.md, with a glossary made up for the test."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE = """
## Words not used

Not checked: `old.py`, `*/history/*`.

| Not used | Use instead | Checked in | Where | Allowed |
|---|---|---|---|---|
| `gizmo`, `gizmos` | widget | names, text | | `"gizmo seed"` `"gizmo" in */seeds.py` `*/legacy.py` `"great gizmo"` |
| `put_aside` | skip | names | | |
| `Box` | Container | whole names | `*/server/*` | |
| `tallest` | MAX_ | constants | | |
| `set about` | start | text | | |
"""


@pytest.fixture
def check(monkeypatch):
    """Return what finds the words in a text: [(line, word)]."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    check_words, glossary = (importlib.import_module(name) for name in ("check_words", "glossary"))
    rules = glossary.read_rules(TABLE)

    def find(text, path="src/a.py"):
        return sorted({(hit.line, hit.word) for hit in check_words.check_text(path, text, rules)})

    return find


@pytest.fixture
def glossary(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("glossary")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("gizmo = 1", "gizmo"),
        ("_gizmo_count = 1", "gizmo in gizmo_count"),
        ("class OldGizmo: ...", "gizmo in OldGizmo"),
        ("def gizmos(): ...", "gizmos"),
        ("def f(gizmo): ...", "gizmo"),
        ("f = lambda gizmo: 1", "gizmo"),
        ("a.gizmo = 1", "gizmo"),
        ("import json as gizmo", "gizmo"),
        ("for gizmo in (): ...", "gizmo"),
        ("MIN_GIZMO = 1", "gizmo in MIN_GIZMO"),
        ("put_aside = 1", "put_aside"),
        ("def is_put_aside(): ...", "put_aside in is_put_aside"),
        ("TALLEST_TREE = 1", "tallest in TALLEST_TREE"),
        ('a = {"gizmo": 1}', "gizmo"),
        ('a = "train.gizmo"', "gizmo in train.gizmo"),
        ('a = f"the Gizmo is {1}"', "Gizmo"),
        ("# a gizmo", "gizmo"),
        ('"""A gizmo."""', "gizmo"),
        ('"""See `gizmo_count`."""', "gizmo in gizmo_count"),
        ("def test_a_gizmo_works(): ...", "gizmo"),
        ("# they set about it", "set about"),
        ("# they set\n# about it", "set about"),
    ],
)
def test_a_word_is_found_where_python_names_and_explains(check, text, word):
    assert check(text) == [(1, word)]


@pytest.mark.parametrize(
    "text",
    [
        "a = b.gizmo",
        "f(gizmo=1)",
        "gizmology = 1",
        "tallest_tree = 1",
        "put, aside = 1, 2",
        'a = generator(0, "gizmo seed")',
        "# the great gizmo",
        "# set it, about to go",
        "class Box: ...",
        'a = b"gizmo"',
    ],
)
def test_other_words_and_uses_of_other_libraries_are_left(check, text):
    assert check(text) == []


def test_a_line_is_that_of_the_word(check):
    text = 'def f():\n    """First.\n\n    Then a gizmo.\n    """\n    # no\n    # gizmo\n    return 1\n'
    assert check(text) == [(4, "gizmo"), (7, "gizmo")]


def test_a_file_counts_with_its_name(check):
    assert check("", "src/gizmo/a.py") == [(1, "gizmo")]


def test_a_rule_holds_where_it_says(check):
    assert check("class Box: ...", "src/server/a.py") == [(1, "Box")]
    assert check("gizmo = 1", "src/legacy.py") == []
    assert check('a = "gizmo"', "src/seeds.py") == []
    assert check("gizmo = 1", "src/seeds.py") == [(1, "gizmo")]


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("a.toml", 'gizmo = 1\n[gizmo]\na = "b" # gizmo', [(1, "gizmo"), (2, "gizmo"), (3, "gizmo")]),
        ("a.toml", 'a = [{ gizmo = 1, b = "a gizmo # here" }]', [(1, "gizmo")]),
        ("a.md", "Two\ngizmos.\n\n```sh\nuse --gizmo_count\n```\n", [(2, "gizmos"), (5, "gizmo in gizmo_count")]),
        ("a.md", "[text](gizmo.md) `gizmo`", [(1, "gizmo")]),
        (
            "a.js",
            "// gizmo\nconst oldGizmo = `a gizmo ${gizmo}`;",
            [(1, "gizmo"), (2, "gizmo"), (2, "gizmo in oldGizmo")],
        ),
        ("a.js", 'find("#old-gizmo")', [(1, "gizmo in old-gizmo")]),
        ("a.html", '<p id="gizmo" class="a"\n title="x">A gizmo</p>', [(1, "gizmo"), (2, "gizmo")]),
        ("a.html", "<style>\n.gizmo { top: 0 }\n</style>", [(2, "gizmo")]),
        ("a.css", "/* gizmo */\n.a #gizmo { --gizmo: 1px }", [(1, "gizmo"), (2, "gizmo")]),
        ("scripts/run", "#!/bin/sh\n# gizmo\nGIZMO=1", [(2, "gizmo"), (3, "gizmo")]),
    ],
)
def test_files_of_other_kinds(check, path, text, found):
    assert check(text, path) == found


def test_the_glossary_of_the_project_can_be_read(glossary):
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rules = glossary.read_rules(text)
    words = [word for rule in rules for word in rule.words]
    assert len(rules) > 50
    assert all(rule.words and rule.replacement and rule.kinds for rule in rules)
    assert len({(word, kind) for rule in rules for word in rule.words for kind in rule.kinds}) == sum(
        len(rule.words) * len(rule.kinds) for rule in rules
    )
    assert {"facts", "colour", "what is"} <= set(words)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("| `a` | b | names | |", "4 cells"),
        ("| `a` | b | everywhere | | |", "everywhere"),
        ("| a | b | names | | |", "names no word"),
        ('| `a` | b | names | | `"b" at c` |', "neither"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused(glossary, row, reason):
    header = "| Not used | Use instead | Checked in | Where | Allowed |\n|---|---|---|---|---|\n"
    with pytest.raises(ValueError, match=reason):
        glossary.read_rules(header + row)


def test_files_that_are_not_checked(glossary):
    assert glossary.read_skipped(TABLE) == ["old.py", "*/history/*"]


def test_the_project_keeps_to_the_glossary(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    assert [str(hit) for hit in importlib.import_module("check_words").project_hits()] == []
