"""Recipes and JSON files of format 1 as text: recipe.toml, files.json, results.json, figures.json, trained.json."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from pellucid.format_1.files import rename
from pellucid.format_1.recipe import OLD_KEYS, upgrade_recipe
from pellucid.recipes.recipe import Recipe

TABLES = {"data", "model", "train"}
FILE_LIST = {"white": "data_range", "left_out": "skipped"}
ENTRY = {"second": "second_capture", "part": "split", "level": "sigma"}
KINDS = {"takes": "captures"}
RESULT = {"rivals": "baselines", "each": "per_file", "remark": "note"}


def upgrade_recipe_text(name: str, text: str) -> str | None:
    """Rewrite a recipe file of format 1 as format 2; return None if it is not a recipe of format 1.

    Comments are kept. Only where a renamed key shares its name with a key that stays are all comments dropped.

    Args:
        name: the recipe's name, for error messages.
        text: the whole file.

    Raises:
        ValueError: if it is not a TOML document, or is a recipe of format 1 with an unknown key or a wrong value.
    """
    old = tomllib.loads(text)
    if old.get("format", 1) != 1 or not old.keys() >= TABLES:
        return None
    new = upgrade_recipe(old)
    Recipe.from_dict({"name": name, **new})
    edited = f"format = {new['format']}\n{text}"
    for before, after in OLD_KEYS:
        edited = re.sub(rf"(?<![\w.]){before}(?=\s*=)", after, edited)
        edited = re.sub(rf'"(\w+)\.{before}"', rf'"\1.{after}"', edited)
    try:
        if tomllib.loads(edited) == new:
            return edited
    except tomllib.TOMLDecodeError:
        pass
    import tomli_w

    return tomli_w.dumps(new)


def upgrade_json(text: str) -> str | None:
    """Return the text of a JSON file in format 2, or None if it is none of Pellucid's format 1.

    Raises:
        ValueError: if it is no JSON, or damaged.
    """
    old = json.loads(text)
    new = _upgrade_results(old) if isinstance(old, list) else _upgrade_document(old) if isinstance(old, dict) else old
    return None if new == old else json.dumps(new, indent=1, ensure_ascii=False) + "\n"


def _upgrade_results(old: list[Any]) -> list[Any]:
    return [rename(result, RESULT) if isinstance(result, dict) and "measured" in result else result for result in old]


def _upgrade_document(old: Mapping[str, Any]) -> dict[str, Any]:
    if old.get("format", 1) != 1:
        return dict(old)
    if "entries" in old and "white" in old:
        entries = [rename(entry, ENTRY) for entry in old["entries"]]
        kind = KINDS.get(old["kind"], old["kind"])
        return {"format": 2} | rename(old, FILE_LIST) | {"kind": kind, "entries": entries}
    if "tables" in old:
        tables = {key: value for key, value in upgrade_recipe(old["tables"]).items() if key != "format"}
        return {"format": 2} | rename(old, RESULT) | {"tables": tables}
    if isinstance(old.get("recipe"), dict) and old["recipe"].get("format", 1) == 1:
        return rename(old, RESULT) | {"recipe": upgrade_recipe(old["recipe"])}
    return rename(old, RESULT) if "measured" in old else dict(old)
