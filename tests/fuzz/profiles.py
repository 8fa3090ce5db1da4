"""Which cases: `default` takes the same each time, `long` (`GCL_FUZZ=long`) new ones.

`GCL_FUZZ=long pytest tests/fuzz --hypothesis-seed=3` repeats those of a seed; `make test-slow` runs
one seed after another for an hour, or for `GCL_FUZZ_SECONDS`.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "gcl-default",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # to shrink a case takes minutes
)
settings.register_profile("gcl-long", settings.get_profile("gcl-default"), derandomize=False)
PROFILE = settings.get_profile(f"gcl-{os.environ.get('GCL_FUZZ', 'default')}")


def fuzz(cases: int) -> settings:
    """The settings of a test that takes so many cases."""
    return settings(PROFILE, max_examples=cases)
