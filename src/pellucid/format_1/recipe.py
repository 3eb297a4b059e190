"""Recipes of format 1, as Pellucid 1 wrote them: their keys, and how they become those of format 2."""

from collections.abc import Mapping
from typing import Any

FORMAT = 2
# What is renamed in a table, and in one that names a certain component ("" is any): old key -> new key.
RENAMED: dict[tuple[str, str], dict[str, str]] = {
    ("train", ""): {"hold": "hold_fraction"},
    ("evaluate", ""): {"rivals": "baselines"},
    ("data", "documents"): {"colour": "color"},
    ("data", "pages"): {"colour": "color"},
    ("data", "photos"): {"num_even": "num_constant"},
    ("model", "unet"): {"leak": "negative_slope"},
    ("noise", "document"): {"share": "probability"},
}
# The same for the parts of a noise model such as "mix" or "chain", beside what ("noise", name) renames.
RENAMED_IN_PARTS: dict[str, str] = {"told": "level_scale"}

# Every renamed key, whatever its table.
OLD_KEYS = sorted({pair for names in (*RENAMED.values(), RENAMED_IN_PARTS) for pair in names.items()})


def upgrade_recipe(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the tables of a recipe from format 1 to format 2; tables of format 2 are returned as they are.

    Only keys change: dotted ones in [quick] and in a study's `vary` too. Keys that no table renames stay.
    """
    if tables.get("format") == FORMAT:
        return dict(tables)
    upgraded = {name: _upgrade_table(name, value) for name, value in tables.items() if name != "format"}
    if quick := tables.get("quick"):
        upgraded["quick"] = {upgrade_key(tables, key): _upgrade_value(key, value) for key, value in quick.items()}
    if study := tables.get("study"):
        upgraded["study"] = [_upgrade_study(tables, part) for part in study]
    return {"format": FORMAT} | upgraded


def upgrade_options(table: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the options of one component from format 1 to format 2; those that did not change stay.

    Args:
        table: the recipe table of the component, such as "model" or "noise".
        name: the component, such as "unet".
        options: its options, which are not changed in place.
    """
    upgraded = _upgrade_table(table, {"name": name, **options})
    return {key: value for key, value in upgraded.items() if key != "name"}


def _upgrade_table(table: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    names = _renamed(table, value)
    return {names.get(key, key): _upgrade_value(f"{table}.{key}", item) for key, item in value.items()}


def _upgrade_value(key: str, value: Any) -> Any:
    """Return a value of a dotted key; the parts of a noise model hold noise models in turn."""
    if not (key.startswith("noise.") and key.endswith("parts") and isinstance(value, list | tuple)):
        return value
    return [_upgrade_part(part) if isinstance(part, Mapping) else part for part in value]


def _upgrade_part(part: Mapping[str, Any]) -> dict[str, Any]:
    upgraded: dict[str, Any] = _upgrade_table("noise", part)
    return {RENAMED_IN_PARTS.get(key, key): value for key, value in upgraded.items()}


def _upgrade_study(tables: Mapping[str, Any], study: Mapping[str, Any]) -> dict[str, Any]:
    if "vary" not in study:
        return dict(study)
    values = [_upgrade_value(study["vary"], value) for value in study.get("values", [])]
    return {**study, "vary": upgrade_key(tables, study["vary"]), "values": values}


def upgrade_key(tables: Mapping[str, Any], key: str) -> str:
    """Return a dotted key such as `train.hold` in format 2; `tables` name the components."""
    table, _, name = key.partition(".")
    return f"{table}.{_renamed(table, tables.get(table)).get(name, name)}" if name else key


def _renamed(table: str, value: Any) -> dict[str, str]:
    component = value.get("name", "") if isinstance(value, Mapping) else ""
    return RENAMED.get((table, ""), {}) | RENAMED.get((table, component), {})
