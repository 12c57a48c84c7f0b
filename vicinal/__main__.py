"""`python -m vicinal` is `vicinal`."""

from vicinal.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
