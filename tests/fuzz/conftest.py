"""Tells how many calls were judged."""

from tests.fuzz.judge import CALLS


def pytest_terminal_summary(terminalreporter):
    if CALLS:
        terminalreporter.write_line(
            f"fuzz: {CALLS.total()} calls, {CALLS['refused']} of them refused in one sentence"
        )
