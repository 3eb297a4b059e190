"""Which clean image belongs to which of a job's images, and which of the images fail before they are begun."""

from collections.abc import Sequence
from pathlib import Path

from pellucid.server import uploads
from pellucid.server.errors import Problem
from pellucid.server.jobs.queue import Upload


def paired(files: Sequence[uploads.Upload], references: Sequence[uploads.Upload]) -> list[Upload]:
    """Return the images of a job to be, each with the reference that belongs to it.

    That is the one with its name but for the suffix; with other names, and as many of them as there are images, the one
    in its place. An image has failed before it is begun if it or its reference cannot be taken.

    Raises:
        Problem: 422 if that cannot be told; why the first cannot be taken, if none can.
    """
    if not files:
        raise Problem(422, "There is no image: send at least one as files.")
    stems = [Path(file.name).stem.casefold() for file in files]
    named = {Path(reference.name).stem.casefold(): reference for reference in references}
    if set(named) <= set(stems) and len(named) == len(references):
        matching = [named.get(stem) for stem in stems]
    elif len(references) == len(files):
        matching = references
    else:
        raise Problem(
            422,
            f"There are {len(references)} references for {len(files)} images, and not all with their names: send one "
            "for each in the same order, or call them as their images.",
        )
    pairs = list(zip(files, matching, strict=True))
    refusals = [file.refusal or (reference and reference.refusal) for file, reference in pairs]
    if refusals[0] and all(refusals):
        raise refusals[0]
    return [
        Upload(file.name, file.path, reference and reference.path, refusal and str(refusal.detail))
        for (file, reference), refusal in zip(pairs, refusals, strict=True)
    ]
