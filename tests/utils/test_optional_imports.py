import json
import sys

import pytest

from pellucid.errors import PellucidError
from pellucid.utils.optional_imports import import_optional


def test_gives_the_module():
    assert import_optional("json", "train", "reading") is json


@pytest.mark.parametrize("module", ["nowhere", "nowhere.inside"])
def test_a_missing_library_is_named_with_its_extra(module):
    with pytest.raises(PellucidError, match=r'^drawing needs nowhere: pip install "pellucid\[train\]"$'):
        import_optional(module, "train", "drawing")


def test_what_a_library_itself_misses_is_named(monkeypatch, tmp_path):
    (tmp_path / "half_installed.py").write_text("import quarter_installed")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PellucidError, match="drawing needs quarter_installed"):
        import_optional("half_installed", "train", "drawing")
    sys.modules.pop("half_installed", None)
