"""`python -m devstack [RUN_DIR]`: the stack, up until Ctrl-C; prints its addresses as a line of JSON. Data stay."""

import contextlib
import dataclasses
import json
import signal
import sys
from pathlib import Path

from devstack.choose import local_stack
from devstack.errors import StackError
from devstack.processes import ROOT


def main() -> None:
    run_dir = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".run/stack"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), local_stack(run_dir, keep=True) as stack:
        print(json.dumps(dataclasses.asdict(stack)), flush=True)
        signal.pause()


if __name__ == "__main__":
    try:
        main()
    except StackError as error:
        sys.exit(f"stack: {error}")
