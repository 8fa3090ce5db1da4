"""Signals that end a program: at once, or where nothing is lost.

Ctrl-C sends SIGINT; schedulers and containers send SIGTERM some seconds before they kill.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

ENDING = tuple(
    found for name in ("SIGINT", "SIGTERM", "SIGHUP") if (found := getattr(signal, name, None))
)

_waiting: list[signal.Signals] = []
_deferring = 0
_loading = 0


class Interrupt(KeyboardInterrupt):
    """A signal that asks the program to end.

    Args:
        signal: which.
    """

    def __init__(self, signal: signal.Signals):
        super().__init__(signal.name)
        self.signal = signal


@contextmanager
def handled() -> Iterator[None]:
    """Signals to end raise `Interrupt`, until the block ends; outside the main thread nothing.

    A signal that the program was started to ignore, as after `nohup`, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in ENDING}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _on_signal)
        yield
    finally:
        for number, handler in before.items():
            ours = signal.getsignal(number) is _on_signal
            if ours and handler is not None:  # None: not set from Python
                signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """A first signal waits for the end of the block, or for `leave`; a second one does not."""
    defer()
    try:
        yield
    finally:
        defer(-1)
    if not _deferring:
        leave()


def defer(by: int = 1) -> None:
    """Begin a stretch in which a first signal waits, or end it with -1; `leave` may follow."""
    global _deferring
    _deferring += by


@contextmanager
def ending_at_once() -> Iterator[None]:
    """A signal ends the process with one line: for imports, which may swallow an exception."""
    global _loading
    _loading += 1
    try:
        yield
    finally:
        _loading -= 1


def ignore() -> None:
    """From here on signals to end change nothing: the work is done, and its exit code is known."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def asked_to_leave() -> bool:
    """Whether a signal is waiting."""
    return bool(_waiting)


def leave() -> None:
    """Raises the `Interrupt` that is waiting, if one is."""
    if _waiting:
        raise Interrupt(_waiting.pop())


def exit_code(error: KeyboardInterrupt) -> int:
    """128 and the number of the signal, as shells have it: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + (error.signal if isinstance(error, Interrupt) else signal.SIGINT)


def sentence(error: KeyboardInterrupt) -> str:
    """What to say of it."""
    number = error.signal if isinstance(error, Interrupt) else signal.SIGINT
    return "interrupted" if number == signal.SIGINT else f"ended by {number.name}"


def _on_signal(number: int, frame: Any) -> None:
    found = Interrupt(signal.Signals(number))
    if _loading:
        _write(f"gcl: {sentence(found)}\n")
        os._exit(exit_code(found))
    if _deferring and not _waiting:
        _waiting.append(found.signal)
        _write(f"gcl: {found.signal.name}: what was reached is saved first; again ends at once\n")
        return
    _waiting.clear()
    raise found


def _write(line: str) -> None:
    """Past Python's buffers, which the signal may have found half written, or may be replaced."""
    with suppress(OSError):
        os.write(2, line.encode())
