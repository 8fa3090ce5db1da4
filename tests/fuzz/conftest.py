"""Tells how many calls were judged, and what they took of the processor."""

import time

from tests.fuzz.judge import CALLS


def pytest_terminal_summary(terminalreporter):
    if CALLS:
        terminalreporter.write_line(
            f"fuzz: {CALLS.total()} calls, {CALLS['refused']} of them refused in one sentence, "
            f"{time.process_time():.0f} s of work"
        )
