"""`python -m cli`."""

import sys
from io import TextIOWrapper


def main() -> None:
    try:
        from cli.app import app
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"kompeten: the Python package {error.name} is missing: run `make .venv/.dev` once,"
            " or use the services' image\n"
        )
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name outside the terminal's character set ends no command
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="kompeten")


if __name__ == "__main__":
    main()
