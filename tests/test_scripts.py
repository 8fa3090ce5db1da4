"""The runner of scripts: each by itself, as if it had been started alone."""

import signal

ALONE = """
import sys
import gcl
assert __name__ == "__main__"
assert not hasattr(gcl, "left_behind")
gcl.left_behind = True
print(sys.argv[1:])
print("warned", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


def test_scripts_have_their_own_arguments_and_leave_nothing(run_script, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(ALONE)
    for status in (0, 3):
        done = run_script(script, status, "x y", folder=tmp_path)
        assert (done.returncode, done.stderr) == (status, "warned\n")
        assert done.stdout == f"['{status}', 'x y']\n"
    assert [p.name for p in tmp_path.iterdir()] == ["script.py"]


def test_errors_and_deaths_are_told(run_script, tmp_path):
    done = run_script("page.md", folder=tmp_path, code="x = 1\n1 / 0\n")
    assert done.returncode == 1
    assert 'page.md", line 2' in done.stderr
    assert "ZeroDivisionError" in done.stderr
    code = "import os\nprint(os.getcwd(), flush=True)\nos.kill(os.getpid(), 9)"
    done = run_script("page.md", folder=tmp_path, code=code)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == f"{tmp_path}\n"
    assert run_script("page.md", folder=tmp_path, code="raise SystemExit('no')").stderr == "no\n"
