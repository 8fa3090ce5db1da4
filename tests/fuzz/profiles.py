"""How many cases, and which: `default` is the same minute each time, `long` draws new ones.

`GCL_FUZZ=long` takes ten times the cases of new seeds; `--hypothesis-seed=3` repeats a seed.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

MANY = 10
settings.register_profile(
    "gcl-default",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # to shrink a case takes minutes
)
settings.register_profile("gcl-seeds", settings.get_profile("gcl-default"), derandomize=False)
settings.register_profile("gcl-long", settings.get_profile("gcl-seeds"))
PROFILE = os.environ.get("GCL_FUZZ", "default")


def fuzz(cases: int) -> settings:
    """The settings of a test that takes `cases` cases in the default profile.

    "seeds" draws as many from the seed of the run.
    """
    chosen = settings.get_profile(f"gcl-{PROFILE}")
    return settings(chosen, max_examples=cases * (MANY if PROFILE == "long" else 1))
