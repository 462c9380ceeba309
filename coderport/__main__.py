"""`python -m coderport`."""

from coderport import ending

if __name__ == "__main__":
    with ending.in_order():
        from coderport.cli import main

        main()
