"""`python -m coderport`."""

from coderport.cli import main

if __name__ == "__main__":
    main()
