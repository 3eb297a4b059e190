"""Lets `python -m pellucid` stand for the `pellucid` command."""

from pellucid.cli import main

if __name__ == "__main__":
    main()
