import json
from html.parser import HTMLParser

import pytest

from pellucid.own_data.evaluate import Measured
from pellucid.own_data.report import rows, shown, write_report
from pellucid.recipes.recipe import Recipe

RECIPE = Recipe.from_dict(
    {
        "name": "a<b",
        "summary": "x",
        "data": {"name": "listed", "path": "files.json", "patch": 48},
        "model": {"name": "unet", "widths": [4, 4]},
        "loss": {"name": "l1"},
        "train": {"epochs": 3, "batch_size": 4, "lr": 0.1},
    }
)
MEANS = {
    "noisy": {"psnr": 20.0, "rmse": 0.1, "ssim": 0.5},
    "denoised": {"psnr": float("inf"), "rmse": 0.0, "ssim": 1.0},
    "tv": {"psnr": 25.0, "rmse": 0.05, "ssim": 0.8},
}
MEASURED = Measured(3, 9, MEANS, {"<i>.png": MEANS}, "No truth.", ())


def test_rows_of_figures():
    heads, cells = rows(MEASURED)
    assert heads == ("", "PSNR, dB", "SSIM", "RMSE")
    assert cells[0] == ("as it was", "20.00", "0.5000", "0.1000")
    assert cells[1] == ("denoised", "∞", "1.0000", "0.0000") and cells[2][0] == "total variation"
    assert shown("noise", 0.1) == "25.5"


def test_the_page_is_whole_and_safe(tmp_path):
    (tmp_path / "progress.png").write_bytes(b"png")
    path = write_report(tmp_path, RECIPE, MEASURED, ["what <b> was found"], 1.5)
    text = path.read_text(encoding="utf-8")
    for said in ("a&lt;b", "What &lt;b&gt; was found.", "3 of 9 held-out files", "No truth.", "data:image/png;base64,"):
        assert said in text
    assert "3 epochs in 1.5 minutes" in text and "pellucid denoise IMAGE --model" in text
    assert "http:" not in text and "https:" not in text
    parser = HTMLParser()
    parser.feed(text)
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["means"]["denoised"]["psnr"] is None and figures["files"] == 3
    assert figures["each"]["<i>.png"]["tv"]["psnr"] == 25


@pytest.mark.parametrize("remark", ["", "Something."])
def test_the_verdict_stands_by_the_remark(tmp_path, remark):
    means = {"noisy": {"psnr": 20.0}, "denoised": {"psnr": 19.0}}
    path = write_report(tmp_path, RECIPE, Measured(1, 1, means, {}, remark, ()), [], 1)
    text = path.read_text(encoding="utf-8")
    assert "gains nothing yet" in text and (remark in text) and "How it grew" not in text
