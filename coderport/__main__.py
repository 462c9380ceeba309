"""`python -m coderport`."""

from coderport.terminal import ending

if __name__ == "__main__":
    with ending.in_order():
        from coderport.commands.cli import main

        main()
