from pathlib import Path

from pellucid.utils.paths import cache_root, data_roots, make_folder


def test_the_chosen_folder_comes_before_the_cache(monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", "/chosen")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert data_roots() == (Path("/chosen"), Path("/cache/pellucid"))


def test_without_settings_it_is_the_users_cache(monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert data_roots() == (cache_root(),) == (Path("/home/someone/.cache/pellucid"),)


def test_a_folder_is_made_with_its_parents(tmp_path, refusal):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b", "choose another")
        assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    message = refusal(make_folder, tmp_path / "file" / "b", "choose another")
    assert str(tmp_path / "file" / "b") in message and message.endswith("; choose another")
