"""Recipes for graphs of several node types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcl.methods import recipes
from gcl.transforms import AddHeCoPositives, AddMetaPaths
from tests.fuzz.graphs import METAPATHS, types
from tests.fuzz.judge import Refused, judge
from tests.fuzz.options import options_of
from tests.fuzz.profiles import fuzz
from tests.fuzz.test_recipes import OF_TYPES, trained

PATHS = st.one_of(
    st.just(AddMetaPaths()),
    st.builds(
        AddMetaPaths,
        st.sampled_from(METAPATHS),
        contexts=st.sampled_from(["set", "walk", "none"]),
        topk=st.sampled_from([None, 1, 3]),
        topk_form=st.sampled_from(["transpose", "row", "union", "mutual"]),
    ),
)
OPTIONS = {
    "paths": PATHS,
    "hidden": st.sampled_from([1, 2, 4]),
    "norm": st.sampled_from(["global", "layer", "batch", None]),
}
OWN = {
    "heco": {
        "positives": st.builds(AddHeCoPositives, st.sampled_from([1, 2, 5])),
        "samples": st.sampled_from([1, 3, {"a": 2, "b": 1}, {"a": 2}, {"z": 1}]),
    },
    "adameow": {"proj": st.sampled_from([1, 4])},
    "meow": {"clusters": st.sampled_from([None, 2, (2, 3), (100, 300)])},
}


@pytest.mark.parametrize("name", sorted(OF_TYPES))
@fuzz(15)
@given(data=st.data())
def test_a_recipe_on_types(name, data):
    graph = data.draw(types())
    recipe = getattr(recipes, name)
    given_ = {**OPTIONS, **OWN[name]}
    if name == "heco":
        del given_["norm"]
    options = data.draw(options_of(recipe, given_))
    method = judge(lambda: recipe(graph, **options), graph)
    if isinstance(method, Refused):
        return
    z = trained(method, graph, graph)
    if not isinstance(z, Refused):
        assert z.dim() == 2
