"""`coderport`, where it is installed, and `python -m coderport`."""

from coderport.terminal import ending


def entry() -> None:
    """The whole of the process: signals are minded from before the first slow import on."""
    with ending.in_order():
        from coderport.commands.cli import main

        main()


if __name__ == "__main__":
    entry()
