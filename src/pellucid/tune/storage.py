"""A study on disk: an SQLite file of Optuna's that survives a killed process."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pellucid.errors import OldFormat, PellucidError, UsageError
from pellucid.tune.trial import TrialResult
from pellucid.utils.optional_imports import import_optional

FILE = "study.sqlite3"
FEATURE = "pellucid tune"
FORMAT = 2
# The names of what Optuna stores for us.
STUDY_NAME, DEFINITION, NUMBER, RESULT = "tune", "definition", "trial", "result"


@contextlib.contextmanager
def open_study(out: Path, definition: Mapping[str, Any], direction: str) -> Iterator[Any]:
    """Yield the Optuna study in a folder, a new one if there is none, locked against other processes.

    Args:
        out: the folder.
        definition: what the study is about, as JSON values; a study is only continued with the same definition.
        direction: "minimize" or "maximize".

    Raises:
        UsageError: if the study in the folder has another definition.
        PellucidError: if another process uses it, or it is damaged or cannot be written.
    """
    optuna = import_optional("optuna", "tune", FEATURE)
    database = import_optional("sqlalchemy.exc", "tune", FEATURE)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with FileLock(out / ".lock", timeout=0), _open_storage(optuna, out / FILE) as storage:
            study = optuna.create_study(
                storage=storage, study_name=STUDY_NAME, load_if_exists=True, direction=direction
            )
            _check_same(study, out, json.loads(json.dumps(definition)))
            yield study
    except Timeout as error:
        raise PellucidError(f"another process is tuning in {out}: wait for it, or give another --out") from error
    except (database.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise _unusable(out / FILE, error) from error
    finally:
        optuna.logging.set_verbosity(verbosity)


@contextlib.contextmanager
def _open_storage(optuna: Any, path: Path) -> Iterator[Any]:
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")
    except Exception as error:  # a file that is no study can cause errors of any type
        raise _unusable(path, error) from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _unusable(path: Path, error: Exception) -> PellucidError:
    reason = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
    return PellucidError(f"cannot use the study {path} ({reason}): repair it, or give another --out")


def _check_same(study: Any, out: Path, definition: Mapping[str, Any]) -> None:
    saved = study.user_attrs.get(DEFINITION)
    if saved is None:
        study.set_user_attr(DEFINITION, definition)
        return
    if saved.get("format") != FORMAT:
        raise OldFormat(out, "study")
    for name in definition:
        if saved.get(name) != definition[name]:
            raise UsageError(
                f"the study in {out} was started with another {name}: continue it with the same one, or give another "
                "--out"
            )


def saved_results(study: Any) -> list[TrialResult]:
    """Return the results of all trials that ended, by their numbers."""
    saved = {
        trial.user_attrs[NUMBER]: trial.user_attrs[RESULT]
        for trial in study.get_trials(deepcopy=False)
        if RESULT in trial.user_attrs
    }
    return [TrialResult(**saved[number]) for number in sorted(saved)]


def requeue_interrupted(study: Any, states: Any) -> None:
    """Let the trials that a killed process left run again, under their own numbers."""
    for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        study.tell(trial.number, state=states.FAIL)
        if NUMBER in trial.user_attrs:
            study.enqueue_trial(trial.params, user_attrs={NUMBER: trial.user_attrs[NUMBER]})
