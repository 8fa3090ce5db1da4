"""State: a run that was killed goes on as if it had never stopped."""

import copy
import re
import signal

import pytest
import torch
from torch_geometric.data import Batch

import gcl
from gcl import callbacks, checkpoint


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def small(data, **options):
    return gcl.methods.grace(data, hidden=8, proj=8, **options)


RUN = """
import os, signal, sys
import gcl
from gcl.callbacks import Callback, Checkpoint, CSVLog, EarlyStopping
from gcl.training import warmup_cosine
from torch_geometric.seed import seed_everything
import torch

folder, kill_at, resume = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "resume"

class Kill(Callback):
    def on_epoch_end(self, state):
        if state.epoch == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
seed_everything(11 if resume else 5)  # the resumed run must not lean on the seed
data = gcl.datasets.load("karate")
method = gcl.methods.gbt(data, hidden=8)
state = gcl.fit(
    method, data, epochs=12, scheduler=warmup_cosine(2, 12), clip=1.0,
    optimizer=lambda p: torch.optim.AdamW(p, lr=0.01),
    callbacks=[Checkpoint(f"{folder}/c.safetensors", every=3), CSVLog(f"{folder}/log.csv", every=1),
               EarlyStopping(patience=50), Kill()],
    resume=f"{folder}/c.safetensors" if resume else None,
)
torch.save([gcl.embed(method, data), torch.rand(3), [r["loss"] for r in state.history]],
           f"{folder}/end.pt")
"""


@pytest.fixture
def run(run_script):
    def start(folder, kill_at, mode):
        folder.mkdir(exist_ok=True)
        script = folder / "run.py"
        script.write_text(RUN)
        return run_script(script, folder, kill_at, mode, folder=folder)

    return start


def test_killed_and_resumed_ends_bit_equal(run, tmp_path):
    whole = run(tmp_path / "whole", 99, "fresh")
    assert whole.returncode == 0, whole.stderr
    assert run(tmp_path / "cut", 8, "fresh").returncode == -signal.SIGKILL
    assert not (tmp_path / "cut" / "end.pt").exists()
    assert checkpoint.load(tmp_path / "cut" / "c.safetensors")["epoch"] == 6
    rest = run(tmp_path / "cut", 99, "resume")
    assert rest.returncode == 0, rest.stderr
    (z1, r1, h1), (z2, r2, h2) = (
        torch.load(tmp_path / d / "end.pt", weights_only=True) for d in ("whole", "cut")
    )
    assert torch.equal(z1, z2)
    assert torch.equal(r1, r2)
    assert h1 == h2
    logs = [(tmp_path / d / "log.csv").read_text().splitlines() for d in ("whole", "cut")]
    columns = [[line.split(",")[:4] for line in log] for log in logs]
    assert columns[0] == columns[1]
    assert len(columns[0]) == 13


def test_resume_refuses_what_does_not_fit(data, tmp_path):
    torch.manual_seed(0)  # whether the second epoch is better is chance
    path = tmp_path / "c.safetensors"
    saving = [callbacks.Checkpoint(path), callbacks.EarlyStopping()]
    gcl.fit(small(data), data, epochs=1, callbacks=saving)
    with pytest.raises(checkpoint.CheckpointError, match="of a callback EarlyStopping, which"):
        gcl.fit(small(data), data, epochs=2, resume=path)
    # Callbacks without a state may come and go.
    state = gcl.fit(
        small(data), data, epochs=2, resume=path,
        callbacks=[callbacks.ProgressBar(), callbacks.EarlyStopping()],
    )  # fmt: skip
    assert (state.epoch, state.callbacks[1].best_epoch) == (2, 2)
    other = gcl.methods.grace(data, hidden=4)
    with pytest.raises(checkpoint.CheckpointError, match="does not fit"):
        gcl.fit(other, data, epochs=2, callbacks=saving, resume=path)
    with pytest.raises(FileNotFoundError, match="No checkpoint at"):
        gcl.fit(small(data), data, epochs=1, resume=tmp_path / "none")


@pytest.mark.parametrize(("now", "before"), [("objective", "contrast"), ("method", "contrast")])
def test_checkpoints_of_before_load_under_the_names_of_now(tmp_path, now, before):
    data = gcl.datasets.load("karate")
    torch.manual_seed(0)
    if now == "objective":
        method = gcl.methods.csgcl(data, hidden=4, proj=4)
    else:
        method = gcl.methods.joao(gcl.methods.graphcl(data, hidden=4))
        data = Batch.from_data_list([data, data])
    path = tmp_path / "c.safetensors"
    gcl.fit(method, data, epochs=2, callbacks=[gcl.callbacks.Checkpoint(path)])
    saved = checkpoint.load(path)
    old = {re.sub(rf"^{now}\.", f"{before}.", key): v for key, v in saved["method"].items()}
    assert set(old) != set(saved["method"])
    checkpoint.save({**saved, "method": old}, path)
    fresh = copy.deepcopy(method)
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.zero_()
    state = gcl.fit(fresh, data, epochs=2, resume=path)
    assert state.epoch == 2
    for key, value in method.state_dict().items():
        assert torch.equal(value.nan_to_num(), fresh.state_dict()[key].nan_to_num()), key
