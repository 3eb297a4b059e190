"""Databases of format 1: the study of `pellucid tune` and the spool of `pellucid serve`, each changed in one step."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError
from pellucid.format_1.files import rename
from pellucid.format_1.recipe import upgrade_key, upgrade_recipe

STUDY, JOBS = "study.sqlite3", "jobs.sqlite3"
OLD_METADATA, METADATA = "facts.json", "metadata.json"
METADATA_KEYS = {"remarks": "warnings", "sigma": "sigma_255"}


def upgrade_spool(folder: Path) -> bool:
    """Convert the spool of a service that is stopped; returns whether it was of format 1.

    Raises:
        PellucidError: if the service runs, or the database is damaged.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / "lock", timeout=0), _transaction(folder / JOBS) as database:
            if database.execute("PRAGMA user_version").fetchone()[0] != 1:
                return False
            database.execute("ALTER TABLE items RENAME COLUMN facts TO metadata")
            database.execute("ALTER TABLE jobs RENAME COLUMN turn TO last_scheduled")
            _update(database, "items", "metadata", _upgrade_metadata)
            for path in sorted(folder.glob(f"results/*/*/{OLD_METADATA}")):
                _replace(path, path.with_name(METADATA), _upgrade_metadata(path.read_text(encoding="utf-8")))
            database.execute("PRAGMA user_version = 2")
            return True
    except Timeout as error:
        raise PellucidError(f"{folder} is in use: stop pellucid serve first") from error


def upgrade_study(path: Path) -> bool:
    """Convert the database of a study; returns whether it was of format 1.

    Raises:
        PellucidError: if the database is damaged.
    """
    with _transaction(path) as database:
        row = database.execute("SELECT value_json FROM study_user_attributes WHERE key = 'definition'").fetchone()
        definition: dict[str, Any] = json.loads(row[0]) if row else {"format": 2}
        if definition.get("format", 1) != 1:
            return False
        tables = definition["recipe"]
        space = {upgrade_key(tables, key): values for key, values in definition["--vary"].items()}
        new = {"format": 2, **definition, "recipe": _without_format(upgrade_recipe(tables)), "--vary": space}
        _update(database, "study_user_attributes", "value_json", lambda text: json.dumps(new), "key = 'definition'")
        for key in definition["--vary"]:
            database.execute(
                "UPDATE trial_params SET param_name = ? WHERE param_name = ?", (upgrade_key(tables, key), key)
            )
        _upgrade_trials(database, tables, space)
        return True


def _upgrade_trials(database: sqlite3.Connection, tables: Mapping[str, Any], space: Mapping[str, Any]) -> None:
    """Rename the results of trials, and let choices be labels: format 1 had the numbers of the choices."""
    labels = {key: [_label(value) for value in values] for key, values in space.items() if ".." not in values}

    def upgrade_fixed(text: str) -> str:
        params = {upgrade_key(tables, key): value for key, value in json.loads(text).items()}
        return json.dumps({key: labels[key][value] if key in labels else value for key, value in params.items()})

    def upgrade_result(text: str) -> str:
        result = json.loads(text)
        return json.dumps(result | {"values": {upgrade_key(tables, key): v for key, v in result["values"].items()}})

    for key, choices in labels.items():
        distribution = {"name": "CategoricalDistribution", "attributes": {"choices": choices}}
        values = (json.dumps(distribution), key)
        database.execute("UPDATE trial_params SET distribution_json = ? WHERE param_name = ?", values)
    # What the sampler remembers of a trial that it has proposed already.
    database.execute("DELETE FROM trial_system_attributes WHERE key LIKE 'tpe:%'")
    _update(database, "trial_system_attributes", "value_json", upgrade_fixed, "key = 'fixed_params'")
    _update(database, "trial_user_attributes", "value_json", upgrade_result, "key = 'outcome'")
    database.execute("UPDATE trial_user_attributes SET key = 'result' WHERE key = 'outcome'")


@contextlib.contextmanager
def _transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a database in a transaction, which takes effect as a whole or not at all."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")
    except (sqlite3.Error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise PellucidError(f"cannot convert {path}, it is damaged or in use: {error}") from error
    finally:
        database.close()


def _update(
    database: sqlite3.Connection, table: str, column: str, upgrade: Callable[[str], str], condition: str = "TRUE"
) -> None:
    rows = database.execute(f"SELECT rowid, {column} FROM {table} WHERE {condition} AND {column} NOT NULL").fetchall()
    for rowid, text in rows:
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (upgrade(text), rowid))


def _upgrade_metadata(text: str) -> str:
    return json.dumps(rename(json.loads(text), METADATA_KEYS))


def _replace(old: Path, new: Path, text: str) -> None:
    from pellucid.utils.atomic_write import atomic_write

    with atomic_write(new) as temporary:
        temporary.write_text(text, encoding="utf-8")
    old.unlink()


def _without_format(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tables.items() if key != "format"}


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
