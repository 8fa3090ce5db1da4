"""What is left in a fresh process of an array that was freed."""

import os
import platform
import subprocess
import sys

import pytest

from gcl.experiments.malloc import keep_freed_memory

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are"
)
RESIDENT = """
import os
def kept():
    before = resident()
    block = bytearray(64 << 20)
    del block
    return resident() - before > 60 << 20
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
"""
CALL = "from gcl.experiments.malloc import keep_freed_memory\nprint(keep_freed_memory(), kept())"
COMMAND = """
import sys
from gcl.__main__ import run
sys.argv = ["gcl", "--version"]
code = run()
print(code, kept())
"""
# A module, as the workers import what they are sent.
WORKERS = """
from gcl.experiments import suite
class Probe:
    name, seed = "probe", 0
    def rows(self, work):
        return kept()
if __name__ == "__main__":
    print(*[found for _, found in suite.run_tasks([Probe(), Probe()], jobs=2)])
"""


def said(code, **variables):
    """The last line of a program in a process without variables of malloc but these."""
    plain = {k: v for k, v in os.environ.items() if "MALLOC" not in k and k != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, *(["-c", RESIDENT + code] if "\n" in code else [code])],
        capture_output=True, text=True, timeout=300, env={**plain, **variables},
    )  # fmt: skip
    return (done.stderr + done.stdout).splitlines()[-1]


def test_freed_memory_stays():
    assert said(CALL) == "True True"
    assert said("\nprint(kept())") == "False"


@pytest.mark.parametrize(
    "variables",
    [
        {"GCL_MALLOC": "system"},
        {"MALLOC_TRIM_THRESHOLD_": "131072"},
        {"GLIBC_TUNABLES": "glibc.malloc.check=0"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_who_says_otherwise_is_heard(variables):
    assert said(CALL, **variables) == "False False"


def test_the_command_keeps_it():
    assert said(COMMAND) == "0 True"
    assert said(COMMAND, GCL_MALLOC="system") == "0 False"


@pytest.mark.skipif(any(k.startswith("MALLOC_") for k in os.environ), reason="malloc is told more")
def test_the_package_does_not(run_script, tmp_path):
    code = RESIDENT + "import gcl.experiments.suite\nprint(kept())"
    assert run_script("-c", folder=tmp_path, code=code).stdout == "False\n"


@pytest.mark.slow
def test_workers_keep_it(tmp_path):
    (tmp_path / "probe.py").write_text(RESIDENT + WORKERS)
    assert said(str(tmp_path / "probe.py")) == "True True"
    assert said(str(tmp_path / "probe.py"), GCL_MALLOC="system") == "False False"


def test_another_value_is_one_sentence(monkeypatch):
    assert said(COMMAND, GCL_MALLOC="jemalloc") == "2 False"
    monkeypatch.setenv("GCL_MALLOC", "jemalloc")
    with pytest.raises(ValueError, match=r"GCL_MALLOC must be 'system'.*got 'jemalloc'"):
        keep_freed_memory()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_happens(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert not keep_freed_memory()
