"""The errors that a user can mend: each message names the culprit and the remedy."""


class PellucidError(Exception):
    """Something failed while working; the command line prints the message and exits with status 1."""

    exit_status = 1


class UsageError(PellucidError, ValueError):
    """What was asked for cannot be (an unknown name, key or value); exit status 2."""

    exit_status = 2


class TooLarge(PellucidError):
    """A file announces, or holds, more than a limit allows."""


class UnknownFormat(PellucidError):
    """A file is of a format that is not supported, or no image at all."""


class Cancelled(PellucidError):
    """The caller's progress function asked for the end."""
