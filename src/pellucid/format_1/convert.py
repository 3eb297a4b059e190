"""Turn files and folders of format 1 into format 2; a file that cannot be converted stays as it was."""

import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

from pellucid.errors import PellucidError, UsageError
from pellucid.format_1 import databases
from pellucid.format_1.files import upgrade_checkpoint, upgrade_onnx
from pellucid.format_1.tables import upgrade_json, upgrade_recipe_text
from pellucid.utils.atomic_write import atomic_write

SUFFIXES = (".safetensors", ".onnx", ".toml", ".json")
# The JSON files in folders; others there are the user's own.
JSON_FILES = ("files.json", "figures.json", "results.json", "trained.json")
DATABASES = (databases.STUDY, databases.JOBS)


def convert(source: Path, out: Path | None = None) -> tuple[Path, ...]:
    """Convert a file, or all files of a run, study or spool folder, from format 1 to format 2.

    Weights stay the same to the bit. Files that are of format 2 already, and those of other programs, are left as they
    are. Nothing is written before every file of a folder has been converted in memory.

    Args:
        source: the file or folder.
        out: where to write; None replaces the files of `source`.

    Returns:
        The files that were converted, as they are written.

    Raises:
        UsageError: if `source` is no file or folder of Pellucid's, or `out` exists.
        PellucidError: naming a file that is damaged, or that cannot be read or written.
    """
    if not source.exists():
        raise PellucidError(f"cannot convert {source}: there is no such file or folder")
    if out and out.exists():
        raise UsageError(f"{out} exists: name another output")
    return _convert_folder(source, out) if source.is_dir() else _convert_file(source, out)


def _convert_file(source: Path, out: Path | None) -> tuple[Path, ...]:
    if source.name in DATABASES:
        raise UsageError(f"{source} is no file to convert alone: convert {source.parent}, its folder")
    if source.suffix not in SUFFIXES:
        raise UsageError(f"{source} is no file of Pellucid's: give one that ends in {', '.join(SUFFIXES)}, or a folder")
    content = _upgrade(source)
    if content is None:
        if out:
            _write(out, source.read_bytes())
        return ()
    target = out or source
    _write(target, content)
    return (target,)


def _convert_folder(source: Path, out: Path | None) -> tuple[Path, ...]:
    paths = sorted(path for path in source.rglob("*") if _is_ours(path, source))
    if not paths:
        raise UsageError(f"{source} holds no files of Pellucid's: give the folder of a run, a study or a spool")
    contents = {path: _upgrade(path) for path in paths if path.name not in DATABASES}
    if out:
        try:
            shutil.copytree(source, out)
        except (OSError, shutil.Error) as error:
            raise PellucidError(f"cannot copy {source} to {out}: {error}") from error
    target = out or source
    converted = []
    for path, content in contents.items():
        if content is not None:
            converted.append(target / path.relative_to(source))
            _write(converted[-1], content)
    return (*converted, *_convert_databases(paths, source, target))


def _convert_databases(paths: Sequence[Path], source: Path, target: Path) -> list[Path]:
    converted = []
    for path in paths:
        database = target / path.relative_to(source)
        if path.name == databases.STUDY and databases.upgrade_study(database):
            converted.append(database)
        if path.name == databases.JOBS and databases.upgrade_spool(database.parent):
            converted.append(database)
    return converted


def _is_ours(path: Path, source: Path) -> bool:
    """Return whether a file may be one to convert; what clients sent to the spool of a service is not."""
    if path.name in DATABASES:
        return True
    folders = [folder for folder in path.parents if folder == source or source in folder.parents]
    is_in_spool = any((folder / databases.JOBS).exists() for folder in folders)
    return not is_in_spool and path.suffix in SUFFIXES and (path.suffix != ".json" or path.name in JSON_FILES)


def _upgrade(path: Path) -> bytes | None:
    """Return the content of a file in format 2, or None if it is not of format 1."""
    try:
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            return upgrade_checkpoint(content)
        if path.suffix == ".onnx":
            return upgrade_onnx(content)
        text = content.decode("utf-8")
        upgraded = upgrade_recipe_text(path.stem, text) if path.suffix == ".toml" else upgrade_json(text)
        return None if upgraded is None else upgraded.encode()
    except OSError as error:
        raise PellucidError(f"cannot read {path}: {error.strerror}") from error
    except UsageError as error:
        raise UsageError(f"cannot convert {path}: {error}") from error
    except (ValueError, LookupError, TypeError, AttributeError, struct.error, RecursionError) as error:
        raise PellucidError(f"cannot convert {path}: it is damaged, or none of Pellucid's ({error})") from error


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
