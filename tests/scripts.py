"""Scripts in processes of their own that do not pay for the same imports again and again.

`python -m tests.scripts` loads the libraries, computes nothing, and forks a process for every line
it reads. The script finds what `python -W ignore SCRIPT ARGUMENTS` would give it: its own
`sys.argv`, folder and `__main__`, no thread and no random number used up. It is over when its
process is: nothing of it is left to the next.
"""

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 300  # that a script may take


class Scripts:
    """Runs scripts by a process that forks; a context.

    Example:
        with Scripts() as run:
            done = run("script.py", "argument", folder="/tmp")
            done.returncode, done.stdout, done.stderr
    """

    def __enter__(self):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.scripts"],
            cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._one_at_a_time = threading.Lock()
        return self.run

    def run(self, path, *arguments, folder, code=None):
        """Run a file, or code in its place; returns what `subprocess.run` would."""
        output = Path(folder) / ".stdout", Path(folder) / ".stderr"
        told = {
            "path": str(path), "arguments": [str(a) for a in arguments], "folder": str(folder),
            "code": code, "output": [str(p) for p in output],
        }  # fmt: skip
        with self._one_at_a_time:
            print(json.dumps(told), file=self._server.stdin, flush=True)
            answer = self._server.stdout.readline()
        if not answer:
            raise RuntimeError("the process that forks has ended")
        texts = [p.read_text() for p in output]
        for p in output:
            p.unlink()
        return subprocess.CompletedProcess(told["arguments"], json.loads(answer), *texts)

    def __exit__(self, *_):
        self._server.stdin.close()
        self._server.wait(timeout=10)
        self._server.stdout.close()


def serve():
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(**told)
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


def _become(path, arguments, folder, code, output):
    """The script, in a process that was forked for it; does not return."""
    status = 1
    try:
        for number, name in enumerate((os.devnull, *output)):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(name, flags, 0o600), number)
        signal.alarm(SECONDS)
        os.chdir(folder)
        sys.argv = [path, *arguments]
        sys.path[0] = "" if code is not None else str(Path(path).parent)
        if code is None:
            runpy.run_path(path, run_name="__main__")
        else:
            exec(compile(code, path, "exec"), sys.modules["__main__"].__dict__)
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    import optuna  # noqa: F401  third parties first, then every room of the package
    import torch_geometric.loader
    import torch_geometric.nn  # noqa: F401

    import gcl
    from gcl.experiments import suite  # noqa: F401

    for name in gcl.__all__:
        getattr(gcl, name)
    assert threading.active_count() == 1
    serve()
    os._exit(0)  # without a second of taking everything down
