"""What ranks do in the tests of what waits for the first of them."""

import os
import time

import torch.distributed as dist

from gcl.distributed import (
    RankFailedError,
    first_before_others,
    from_first,
    is_first,
    on_first,
    processes,
)
from gcl.ops.processes import _FAILED


def told(folder):
    """What the first makes, slowly, and when each rank had it."""
    rank, path = dist.get_rank(), f"{folder}/file"

    def make():
        time.sleep(0.3)
        return {"rank": dist.get_rank(), "at": time.monotonic()}

    def file():
        there = os.path.exists(path)
        time.sleep(0.0 if there else 0.3)
        with open(path, "a") as opened:
            opened.write(str(rank))
        return there

    made = from_first(make)
    waited = time.monotonic() >= made["at"]
    return is_first(), made["rank"], waited, on_first(lambda: rank + 7), first_before_others(file)


def failed():
    """What the others raise where the first has failed."""
    store = dist.distributed_c10d._get_default_store()
    if is_first():
        store.set(_FAILED, "rank 0 has failed. ValueError: no")
    started, said = time.monotonic(), ""
    try:
        if not is_first():
            from_first(lambda: 1)
    except RankFailedError as error:
        said = str(error)
    dist.barrier()
    if is_first():
        store.delete_key(_FAILED)
        from_first(lambda: 1)  # the ranks call it equally often
    dist.barrier()
    return said, time.monotonic() - started


def twice():
    os.environ |= {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"}
    try:
        with processes():
            return "begun"
    except ValueError as error:
        return str(error)
    finally:
        del os.environ["TORCHELASTIC_RUN_ID"], os.environ["WORLD_SIZE"]
