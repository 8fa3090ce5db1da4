"""Groups of processes for the tests here."""

import pytest

from tests.distributed.processes import Processes


@pytest.fixture(scope="session", params=[2, 3])
def run(request):
    """Runs a function on all of two ranks, or of three."""
    with Processes(request.param) as processes:
        yield processes


@pytest.fixture(scope="session")
def run_two():
    with Processes(2) as processes:
        yield processes
