"""Signals: when they end a program, and with which code."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from gcl.experiments import interrupts


@pytest.fixture(autouse=True)
def heard():
    """As in a terminal: `nohup`, and `&` in a script, start a program deaf to some of them."""
    usual = {signal.SIGINT: signal.default_int_handler}
    before = {
        number: signal.signal(number, usual.get(number, signal.SIG_DFL))
        for number in interrupts.ENDING
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
def test_a_signal_raises_and_has_a_code_of_its_own(number, code, said):
    before = signal.getsignal(number)
    with pytest.raises(interrupts.Interrupt) as caught, interrupts.handled():
        send(number)
    assert interrupts.exit_code(caught.value) == code
    assert interrupts.sentence(caught.value) == said
    assert signal.getsignal(number) == before


def test_a_plain_interrupt_is_one_of_sigint():
    assert interrupts.exit_code(KeyboardInterrupt()) == 130
    assert interrupts.sentence(KeyboardInterrupt()) == "interrupted"


def test_a_first_signal_waits_and_a_second_does_not(capfd):
    seen = []

    def stretch(*signals):
        with interrupts.handled(), interrupts.deferred():
            for number in signals:
                send(number)
            seen.append(interrupts.asked_to_leave())

    with pytest.raises(interrupts.Interrupt):
        stretch(signal.SIGTERM)
    assert seen == [True]
    assert "saved first" in capfd.readouterr().err
    assert not interrupts.asked_to_leave()
    with pytest.raises(interrupts.Interrupt):
        stretch(signal.SIGTERM, signal.SIGINT)
    assert seen == [True]
    assert not interrupts.asked_to_leave()


def test_a_signal_after_the_work_changes_no_exit_code():
    code = """
        import os, signal, sys
        from gcl.experiments import interrupts

        with interrupts.handled():
            interrupts.ignore()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        sys.exit(3)
        """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=60)
    assert found.returncode == 3


def test_replaced_streams_change_nothing():
    with (
        contextlib.redirect_stderr(io.StringIO()),
        pytest.raises(interrupts.Interrupt),
        interrupts.handled(),
        interrupts.deferred(),
    ):
        send(signal.SIGTERM)


def test_what_the_program_was_told_to_ignore_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts.handled():
            send(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_error_is_not_hidden_by_a_signal_that_waits():
    def breaks():
        with interrupts.handled(), interrupts.deferred():
            send(signal.SIGTERM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    with pytest.raises(interrupts.Interrupt):
        interrupts.leave()


def test_while_libraries_load_one_line_and_the_end():
    code = """
        import os, signal
        from gcl.experiments import interrupts

        class Swallows:
            def __del__(self):  # whatever is raised here is printed and forgotten
                os.kill(os.getpid(), signal.SIGINT)

        with interrupts.handled(), interrupts.ending_at_once():
            del [Swallows()][0]
        print("went on")
        """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (found.returncode, found.stdout, found.stderr) == (130, "", "gcl: interrupted\n")
