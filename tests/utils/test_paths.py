from pathlib import Path

from pellucid.utils.paths import cache_root, roots


def test_the_chosen_folder_comes_before_the_cache(monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", "/chosen")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert roots() == (Path("/chosen"), Path("/cache/pellucid"))


def test_without_settings_it_is_the_users_cache(monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert roots() == (cache_root(),) == (Path("/home/someone/.cache/pellucid"),)
