"""A study on disk: an SQLite file that survives being killed, and says what the study is of."""

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError, UsageError
from pellucid.tune.space import Choices, Space
from pellucid.tune.trial import Outcome
from pellucid.utils.optional_imports import need

FILE = "study.sqlite3"
NAME = "tune"
NUMBER, OUTCOME, DEFINITION = "trial", "outcome", "definition"
PURPOSE = "pellucid tune"


@contextlib.contextmanager
def opened(out: Path, definition: Mapping[str, Any], direction: str) -> Iterator[Any]:
    """Yield the Optuna study in `out`, which is begun if there is none; nobody else has it open meanwhile.

    Args:
        out: the folder.
        definition: what the study is of, as JSON values; it has to be the same when a study is continued.
        direction: "minimize" or "maximize".

    Raises:
        UsageError: if the study in the folder is of something else, naming what.
        PellucidError: if another process has it open, or it is damaged or cannot be written.
    """
    optuna = need("optuna", "tune", PURPOSE)
    database = need("sqlalchemy.exc", "tune", PURPOSE)
    loudness = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with _alone(out), _stored(optuna, out / FILE) as storage:
            study = optuna.create_study(storage=storage, study_name=NAME, load_if_exists=True, direction=direction)
            _check_same(study, out, json.loads(json.dumps(definition)))
            yield study
    except (database.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise _unusable(out / FILE, error) from error
    finally:
        optuna.logging.set_verbosity(loudness)


def distributions(space: Space) -> dict[str, Any]:
    """Return the space as Optuna draws from it; choices are drawn by their number."""
    kinds = need("optuna.distributions", "tune", PURPOSE)
    drawn = {}
    for key, values in space.items():
        if isinstance(values, Choices):
            drawn[key] = kinds.CategoricalDistribution(range(len(values.values)))
        elif values.whole:
            drawn[key] = kinds.IntDistribution(int(values.low), int(values.high), log=values.log)
        else:
            drawn[key] = kinds.FloatDistribution(values.low, values.high, log=values.log)
    return drawn


def chosen(space: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe's values for what Optuna drew."""
    return {
        key: values.values[drawn[key]] if isinstance(values, Choices) else values.value(drawn[key])
        for key, values in space.items()
    }


def drawn_for(space: Space, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Optuna would have to draw for the recipe's values."""
    return {
        key: values.values.index(wanted[key]) if isinstance(values, Choices) else wanted[key]
        for key, values in space.items()
    }


def outcomes(study: Any) -> list[Outcome]:
    """Return how the trials ended, by their numbers."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    found = {
        trial.user_attrs[OUTCOME]["number"]: trial.user_attrs[OUTCOME] for trial in ended if OUTCOME in trial.user_attrs
    }
    return [Outcome(**found[number]) for number in sorted(found)]


def end(study: Any, trial: Any, outcome: Outcome, measured: float | None) -> None:
    """Note how a trial ended."""
    states = need("optuna.trial", "tune", PURPOSE).TrialState
    trial.set_user_attr(OUTCOME, asdict(outcome))
    if outcome.state == "done":
        study.tell(trial, measured)
    else:
        study.tell(trial, state=states.PRUNED if outcome.state == "pruned" else states.FAIL)


def drop(study: Any, number: int) -> None:
    """Take a trial out that is not to be run, or was interrupted; `number` is Optuna's."""
    study.tell(number, state=need("optuna.trial", "tune", PURPOSE).TrialState.FAIL)


def take_up(study: Any) -> None:
    """Have the trials that were interrupted run next, under their own numbers."""
    states = need("optuna.trial", "tune", PURPOSE).TrialState
    for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        drop(study, trial.number)
        if NUMBER in trial.user_attrs:
            study.enqueue_trial(trial.params, user_attrs={NUMBER: trial.user_attrs[NUMBER]})


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process."""
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PellucidError(f"another process is tuning in {out}: wait for it, or give another --out") from error
        yield


@contextlib.contextmanager
def _stored(optuna: Any, path: Path) -> Iterator[Any]:
    """Yield the file as Optuna's storage, and close it."""
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")
    except Exception as error:  # whatever a file that is no study, or another version's, leads to
        raise _unusable(path, error) from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _unusable(path: Path, error: Exception) -> PellucidError:
    reason = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
    return PellucidError(f"cannot use the study {path} ({reason}): mend it, or give another --out")


def _check_same(study: Any, out: Path, definition: Mapping[str, Any]) -> None:
    begun = study.user_attrs.get(DEFINITION)
    if begun is None:
        study.set_user_attr(DEFINITION, definition)
        return
    for name in definition:
        if begun.get(name) != definition[name]:
            raise UsageError(
                f"the study in {out} was begun with another {name}: continue it as it was begun, or give another --out"
            )
