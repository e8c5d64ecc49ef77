"""`python -m ocibuild`."""

from ocibuild.cli import main

if __name__ == "__main__":
    main()
