"""`python -m gcl`, and the command `gcl`."""

import sys

from gcl.experiments import interrupts
from gcl.experiments.malloc import keep_freed_memory


def run() -> int:
    """The command line, which says one line when it is interrupted, from its first moment on."""
    try:
        keep_freed_memory()
    except ValueError as error:
        print(f"gcl: {error}", file=sys.stderr)
        return 2
    with interrupts.handled():
        with interrupts.ending_at_once():
            from gcl.cli import main
        code = main()
        interrupts.ignore()
        return code


if __name__ == "__main__":
    sys.exit(run())
