"""What tests of every room may ask for."""

import pytest

from gcl.ops import tiling
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
