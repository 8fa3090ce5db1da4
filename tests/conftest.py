"""What tests of every room may ask for."""

import pytest

from tests.scripts import Scripts


@pytest.fixture(scope="session")
def run_script():
    """Runs scripts in processes of their own, see `tests.scripts`."""
    with Scripts() as run:
        yield run
