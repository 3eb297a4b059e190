"""The report: a self-contained page, and files with the measured figures."""

import csv
import importlib
import io
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from pellucid.errors import PellucidError
from pellucid.report.entry import ReportEntry, folder_names
from pellucid.report.formatting import (
    curves_verdict,
    difference_text,
    epochs_text,
    figure_text,
    options_text,
    origin_text,
    range_text,
)
from pellucid.report.write import write_report

HOSTILE = "</td><script>alert(1)</script> | ![x](http://evil) \"'&\x00"


def entry(name="dense-uniform", **changes):
    images = np.random.default_rng(0).random((10, 1, 28, 28)).astype(np.float32)
    seeds = [{"seed": n, "psnr": 19.0 + n / 10, "accuracy_clean": 97.0 + n} for n in range(3)]
    measured = {"psnr": 19.1, "ssim": 0.8, "train_loss": 0.0951, "accuracy_clean": 97.02, "accuracy_denoised": None}
    result = {
        "recipe": name,
        "published": {"accuracy_clean": 96.91, "accuracy_denoised": 94.59},
        "measured": measured | {"accuracy_ceiling": None, "spread": {"psnr": [19.0, 19.2]}, "per_seed": seeds},
        "baselines": {
            "identity": {"psnr": 7.1, "accuracy_denoised": 18.4, "ms": 0.0001, "chosen": {}},
            "linear": {"psnr": 19.01, "accuracy_denoised": 91.3, "ms": 0.02, "chosen": {"gain": 1.02, "offset": -0.01}},
            "tv": {"psnr": None, "accuracy_denoised": None, "ms": None, "chosen": None},
        },
        "epochs": 40,
        "quick": False,
        "assumed": ["the rate"],
        "deviations": ["three seeds"],
    }
    study = {
        "title": "Upsampling",
        "vary": "model.up",
        "measure": ["psnr", "checkerboard"],
        "rows": [
            {"value": "nearest", "psnr": 17.6, "checkerboard": 0.7, "sharpness": 0.5, "bits_per_pixel": None},
            {"value": "deconv", "psnr": 17.4, "checkerboard": 2.3, "sharpness": 0.6, "bits_per_pixel": None},
        ],
        "pictures": {"nearest": images, "deconv": images},
    }
    run = [{"epoch": n, "train_loss": 1 / n, "validation_loss": 1.1 / n} for n in range(1, 5)]
    made = ReportEntry(
        result,
        "A title",
        "A summary",
        {"title": "A text", "authors": "Somebody", "year": 2020},
        {"seed 0": run},
        None,
        {"original": images, "noisy": images, "denoised": images, "linear": images},
        {"original": list("0123456789"), "denoised": list("0123456780")},
        np.zeros((10, 64)),
        [study],
        {"values": 64, "bits_per_pixel": 0.653, "psnr_clean": 21.3, "psnr_noisy": None},
    )
    return replace(made, **changes)


def changed(made, **values):
    return replace(made, result=made.result | values)


def parsed(path):
    return ElementTree.fromstring(path.read_text("utf-8"))


def first(element, tag):
    return next(element.iter(tag))


def words(element):
    return " ".join("".join(element.itertext()).split())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "new" / "folder"
    return write_report([entry()], out, "A report")


def test_all_files_are_written_and_nothing_else(written):
    out = written.html.parent
    named = {written.html, written.markdown, written.csv, written.json, *written.pictures}
    assert named == {path for path in out.rglob("*") if path.is_file()}
    names = {path.name for path in written.pictures}
    plots = {"study-1-psnr.png", "study-1-checkerboard.png", "study-1-pictures.png"}
    assert names == {"pictures.png", "codes.png", "loss-curves.png"} | plots
    assert len(written.pictures) == len(set(written.pictures))
    for path in written.pictures:
        assert path.parent == out / "dense-uniform"
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.width > 200


def test_the_page_is_self_contained(written):
    page = parsed(written.html)
    text = written.html.read_text("utf-8")
    for element in page.iter():
        for key, value in element.attrib.items():
            if key in ("src", "srcset"):
                assert value.startswith("data:image/png;base64,")
            elif key == "href":
                assert value.startswith("#")
            assert not key.startswith("on")
    assert not {"script", "link", "iframe", "object", "base"} & {element.tag for element in page.iter()}
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "url(" not in text
    assert "@import" not in text


def test_links_lead_somewhere_and_images_say_what_they_show(written):
    page = parsed(written.html)
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert {link.get("href") for link in page.iter("a")} == {"#dense-uniform"}
    assert all(image.get("alt") for image in page.iter("img"))


def test_the_page_says_what_was_measured(written):
    page = words(first(parsed(written.html), "body"))
    for text in ("96.91", "97.02", "19.10", "0.0951", "94.59", "A text, Somebody (2020)", "the rate", "three seeds"):
        assert text in page
    assert "97.00 \u2013 99.00" in page
    assert "No overfitting" in page
    assert "nan" not in page.lower()
    assert "None" not in page
    assert "inf" not in page.lower()


def test_baselines_are_sorted_by_psnr_with_the_learned_one_marked(written):
    tables = list(parsed(written.html).iter("table"))
    table = next(table for table in tables if "baselines" in words(first(table, "caption")))
    rows = first(table, "tbody")
    names = [words(first(row, "th")).split()[0] for row in rows]
    assert names == ["dense-uniform", "linear", "identity", "tv"]
    assert [row.get("class") for row in rows] == ["learned", "linear", None, None]
    assert "gain 1.02, offset −0.01" in words(rows)  # noqa: RUF001
    assert [words(cell) for cell in rows[3].iter("td")] == ["–"] * 5  # noqa: RUF001


def test_the_linear_row_is_there_even_if_it_was_not_run(tmp_path):
    made = changed(entry(), baselines={"median": {"psnr": 14.0, "chosen": {}}})
    page = words(first(parsed(write_report([made], tmp_path, "t").html), "body"))
    assert "linear baseline not run here" in page


def test_misclassified_captions_are_marked(written):
    marked = [words(span) for span in parsed(written.html).iter("span") if span.get("class") == "misread"]
    assert marked == ["0"]


def test_json_is_the_list_of_results(written):
    assert json.loads(written.json.read_text("utf-8")) == [entry().result]


def test_json_has_no_nan_and_no_infinity(tmp_path):
    made = changed(entry(), measured={"psnr": np.float32(20.5), "ssim": float("nan"), "mse": float("inf")})
    report = write_report([made], tmp_path, "t")

    def refuse(name):
        raise AssertionError(name)

    (result,) = json.loads(report.json.read_text("utf-8"), parse_constant=refuse)
    assert result["measured"] == {"psnr": 20.5, "ssim": None, "mse": None}
    assert "nan" not in words(first(parsed(report.html), "body"))


def test_csv_contains_every_source(written):
    rows = list(csv.DictReader(io.StringIO(written.csv.read_text("utf-8"))))
    assert [(row["source"], row["name"]) for row in rows] == [
        ("published", ""),
        ("measured", ""),
        *(("seed", str(n)) for n in range(3)),
        *(("baseline", name) for name in ("identity", "linear", "tv")),
    ]
    assert {row["recipe"] for row in rows} == {"dense-uniform"}
    assert rows[0]["accuracy_denoised"] == "94.59"
    assert (rows[1]["psnr"], rows[1]["accuracy_denoised"], rows[1]["epochs"]) == ("19.1", "", "40")
    assert "spread" not in rows[0]
    assert json.loads(rows[6]["chosen"]) == {"gain": 1.02, "offset": -0.01}


def test_markdown_shows_the_same_figures_and_its_pictures(written):
    text = written.markdown.read_text("utf-8")
    assert "| dense-uniform | measured | 97.02 |" in text
    assert "|  | published | 96.91 |" in text
    linked = {written.markdown.parent / path for path in re.findall(r"!\[[^\n]*\]\(([^)]*)\)", text)}
    assert linked == set(written.pictures)
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_hostile_names_are_text_everywhere(tmp_path):
    made = entry(HOSTILE, title=HOSTILE, summary=HOSTILE, origin={"title": HOSTILE, "authors": HOSTILE})
    images = made.pictures["noisy"]
    study = made.studies[0] | {"title": HOSTILE, "vary": HOSTILE, "rows": [{"value": HOSTILE, "psnr": 1.0}]}
    made = replace(
        changed(
            made, assumed=[HOSTILE], quick=[HOSTILE], baselines={HOSTILE: {"psnr": 1.0, "chosen": {HOSTILE: HOSTILE}}}
        ),
        overfitting=HOSTILE,
        pictures={HOSTILE: images, "original": images},
        captions={HOSTILE: [HOSTILE] * 10},
        studies=[study | {"pictures": {HOSTILE: images}}],
        compression={HOSTILE: HOSTILE},
    )
    report = write_report([made], tmp_path / "out", HOSTILE)
    page = parsed(report.html)
    assert "script" not in {element.tag for element in page.iter()}
    assert "alert(1)" in words(first(page, "body"))
    assert "](http" not in re.sub(r"\\.", "", report.markdown.read_text("utf-8"))
    assert "<script" not in re.sub(r"\\.", "", report.markdown.read_text("utf-8"))
    assert all((tmp_path / "out") in path.resolve().parents for path in report.pictures)
    assert next(csv.DictReader(io.StringIO(report.csv.read_text("utf-8"))))["recipe"] == HOSTILE
    assert json.loads(report.json.read_text("utf-8"))[0]["recipe"] == HOSTILE


def test_folder_names_are_safe_and_unique():
    names = ["../../etc", "a/b", "a b", "A-b", "..", "", "漢字", "ok_1.5"]
    made = folder_names([entry(name) for name in names])
    assert made == ["etc", "a-b", "a-b-2", "A-b-3", "recipe", "recipe-2", "recipe-3", "ok_1.5"]


def test_a_bare_result_is_enough(tmp_path):
    made = ReportEntry({"recipe": "bare", "published": {}, "measured": {"psnr": None}, "baselines": {}}, "Bare", "")
    report = write_report([made], tmp_path, "t")
    assert report.pictures == ()
    body = first(parsed(report.html), "body")
    cells = [words(cell) for cell in body.iter("td")]
    assert cells.count("–") == 9  # noqa: RUF001
    assert "Published" not in words(body)
    assert write_report([], tmp_path / "none", "t").html.exists()


def test_pictures_without_noise_and_color_images(tmp_path):
    images = np.random.default_rng(0).random((4, 3, 16, 16))
    made = replace(
        entry(), pictures={"original": images, "denoised": images}, captions={}, codes=np.zeros((4, 2, 3, 3))
    )
    assert {path.name for path in write_report([made], tmp_path, "t").pictures} >= {"pictures.png", "codes.png"}


@pytest.mark.parametrize(
    ("quick", "cuts", "shown"),
    [
        (True, None, ("cut short",)),
        (True, ["train.epochs 100 -> 3"], ("train.epochs 100 → 3",)),
        (["a", "b"], None, ("a", "b")),
        (False, ["a"], ()),
        ([], None, ()),
    ],
)
def test_a_quick_run_says_what_it_changed(tmp_path, quick, cuts, shown):
    made = changed(entry(pictures={}, studies=[], history={}, codes=None), quick=quick, cuts=cuts)
    assert made.cuts == shown
    report = write_report([made], tmp_path, "t")
    page, text = words(first(parsed(report.html), "body")), report.markdown.read_text("utf-8")
    assert all(cut in page for cut in shown)
    assert ("Quick run" in text) == ("not final" in page) == bool(shown)


def test_overfitting_is_described(tmp_path):
    report = write_report([entry(overfitting="overfitting: the training loss fell to 0.1")], tmp_path, "t")
    assert "Overfitting: the training loss fell to 0.1." in words(first(parsed(report.html), "body"))
    assert "Overfitting: the training loss fell to 0.1." in report.markdown.read_text("utf-8")


def test_verdicts():
    run = [{"epoch": 1, "train_loss": 0.2, "validation_loss": None}]
    assert curves_verdict(entry(history={"seed 0": run})).startswith("One epoch says nothing")
    assert curves_verdict(entry(history={})) == ""
    assert "0.2000" in curves_verdict(entry(history={"seed 0": run * 2, "seed 1": []}))


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("psnr", 19.104, "19.10"),
        ("psnr", float("inf"), "∞"),
        ("psnr", -1.5, "\u22121.50"),
        ("compressed_psnr", 20, "20.00"),
        ("accuracy_clean", 96.914, "96.91"),
        ("loss_clean", 0.10421, "0.1042"),
        ("train_loss", 0.1, "0.1000"),
        ("ms", 0.011, "0.0110"),
        ("ms", 12.345, "12.3"),
        ("ms", 1234.5, "1230"),
        ("ms", 0.0, "0.00"),
        ("bits_per_pixel", 0.6531, "0.653"),
        ("values", 1568, "1\u202f568"),
        ("samples_per_second", 160000.4, "160\u202f000"),
        ("psnr", None, "\u2013"),
        ("psnr", float("nan"), "\u2013"),
        ("psnr", np.float32("nan"), "\u2013"),
        ("kind", "mlp", "mlp"),
        ("flag", True, "True"),
    ],
)
def test_figures_are_formatted_the_same_everywhere(key, value, text):
    assert figure_text(key, value) == text


def test_small_texts():
    assert difference_text(20.0, 19.0) == "+1.00"
    assert difference_text(18.0, 19.0) == "\u22121.00"
    assert difference_text(19.001, 19.0) == "±0.00"
    assert difference_text(19.0, None) == difference_text(float("inf"), 1.0) == "\u2013"
    assert range_text("psnr", [{"psnr": 1.0}, {"psnr": None}]) == "\u2013"
    assert range_text("psnr", [{"psnr": 2.0}, {"psnr": 1.0}, {}]) == "1.00\u202f\u2013\u20092.00"
    assert options_text(None) == options_text({}) == ""
    assert options_text({"patch_size": 5, "h": 0.41234}) == "patch size 5, h 0.412"
    assert [epochs_text(value) for value in (40, [3, 3], [3, 4], {"seed 0": 5}, None)] == [
        "40",
        "3",
        "3, 4",
        "5",
        "\u2013",
    ]
    assert origin_text({}) == origin_text({"title": ""}) == ""
    assert origin_text({"title": "T", "authors": "", "year": 0}) == "T"


def test_nothing_is_written_when_a_drawing_fails(tmp_path):
    broken = entry(codes=np.array([["x"]]))
    with pytest.raises(ValueError, match="could not convert"):
        write_report([entry(), broken], tmp_path / "out", "t")
    assert not (tmp_path / "out").exists()


def test_an_old_page_survives_a_failed_write(tmp_path, monkeypatch):
    report = write_report([entry(pictures={}, studies=[])], tmp_path, "old")
    before = report.html.read_bytes()
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(PellucidError, match=str(tmp_path)):
        write_report([entry(pictures={}, studies=[])], tmp_path, "new")
    assert report.html.read_bytes() == before
    assert all(path.suffix in {".html", ".md", ".csv", ".json", ".png"} for path in tmp_path.rglob("*.*"))
    assert not list(tmp_path.rglob(".*"))


def test_a_file_where_the_folder_should_be_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(PellucidError, match="out"):
        write_report([entry(pictures={}, studies=[])], tmp_path / "out", "t")


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    real = importlib.import_module

    def absent(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name, name=name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(PellucidError, match=r"pellucid\[train\]"):
        write_report([entry()], tmp_path / "out", "t")
    assert not (tmp_path / "out").exists()
