"""What tests of every room may ask for."""

import pytest

from gcl.ops import tiling
from tests.distributed.processes import Processes
from tests.scripts import Scripts


@pytest.fixture(params=["dense", "tiled"])
def implementation(request):
    """Both ways to compute, in tiles so small that several of them meet."""
    with tiling(implementation=request.param, tile=4):
        yield request.param


@pytest.fixture(scope="session")
def run_script():
    """Runs scripts in processes of their own, see `tests.scripts`."""
    with Scripts() as run:
        yield run


@pytest.fixture(scope="session", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def run(request):
    """Runs a function on all of two ranks, or of three, which takes longer."""
    with Processes(request.param) as processes:
        yield processes


@pytest.fixture(scope="session")
def run_two():
    """Runs a function on both of two ranks."""
    with Processes(2) as processes:
        yield processes
