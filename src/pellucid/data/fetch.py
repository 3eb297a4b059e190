"""Downloads of datasets from the first mirror with intact files, checked by SHA-256."""

import logging
from collections.abc import Callable
from pathlib import Path

from pellucid import registry
from pellucid.errors import PellucidError, UsageError
from pellucid.utils.optional_imports import import_optional
from pellucid.utils.paths import data_roots

MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
}
SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
}


def fetch(name: str, root: Path | None = None, progress: Callable[[str], None] | None = None) -> Path:
    """Download the missing files of a dataset, and return its folder.

    A file gets its name only when it is complete and its SHA-256 is right; a wrong one is replaced.

    Args:
        name: a dataset of `MIRRORS`.
        root: the folder that holds a folder for each dataset; by default `$PELLUCID_DATA`, else the cache.
        progress: called with one line before each file.

    Raises:
        UsageError: for an unknown dataset.
        PellucidError: if no mirror gives a file, naming the error of each; or if the folder cannot be written to.
    """
    if name not in MIRRORS:
        raise UsageError(f'there is nothing to fetch for "{name}"{registry.suggestion(name, list(MIRRORS))}')
    pooch = import_optional("pooch", "train", f"fetching {name}")
    # Its own log repeats what `progress` and the errors say.
    pooch.get_logger().setLevel(logging.CRITICAL)
    folder = (root or data_roots()[0]) / registry.load("data", name).folder
    for number, (file, checksum) in enumerate(SHA256[name].items(), 1):
        if progress:
            progress(f"{name}: {file} ({number} of {len(SHA256[name])})")
        _fetch_file(pooch, folder, file, checksum, MIRRORS[name])
    return folder


def _fetch_file(pooch, folder: Path, file: str, checksum: str, mirrors: tuple[str, ...]) -> None:
    errors = []
    for mirror in mirrors:
        try:
            pooch.retrieve(mirror + file, f"sha256:{checksum}", fname=file, path=folder)
            return
        except ValueError:
            errors.append(f"{mirror}{file}: its SHA-256 is wrong")
        except OSError as error:
            if error.filename or isinstance(error, PermissionError):
                reason = error.strerror or "permission denied"
                raise PellucidError(f"{folder} cannot be written to ({reason}): set PELLUCID_DATA elsewhere") from error
            errors.append(f"{mirror}{file}: {' '.join(str(error).split())[:120]}")
    raise PellucidError(
        f"{file} could not be fetched ({'; '.join(errors)}): check the network, or put the file into {folder} yourself"
    )
