"""What the tests share."""

import pytest

from gcl.ops import tiling


@pytest.fixture(params=["dense", "tiled"])
def implementation(request):
    """Both ways to compute, in tiles so small that several of them meet."""
    with tiling(implementation=request.param, tile=4):
        yield request.param
