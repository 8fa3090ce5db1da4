"""Names that were meant."""

import pytest

from gcl.names import did_you_mean


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("grase", "did you mean 'grace'? "),
        ("GRACE", "did you mean 'grace'? "),
        ("bootstrap", "did you mean 'Bootstrap'? "),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_in_any_case(name, said):
    assert did_you_mean(name, ["dgi", "grace", "Bootstrap"]) == said
