"""The errors that a user can act on: each message is one line that names the cause and the remedy."""


class PellucidError(Exception):
    """An operation failed; the command line prints the message and exits with status 1."""

    exit_status = 1


class UsageError(PellucidError, ValueError):
    """An argument is invalid, such as an unknown name, key or value; exit status 2."""

    exit_status = 2


class OldFormat(PellucidError):
    """A file of format 1, which `pellucid convert` turns into format 2."""

    def __init__(self, path: object, kind: str) -> None:
        """Take the path of the file or folder, and its kind, such as "checkpoint"."""
        super().__init__(f"{path} is a {kind} of format 1: pellucid convert {path} turns it into format 2")


class TooLarge(PellucidError):
    """A file exceeds a limit on its size, pixels, pages or metadata."""


class UnknownFormat(PellucidError):
    """A file has a format that is not supported, or is not an image."""


class Cancelled(PellucidError):
    """A progress callback returned False to cancel the work."""
