"""Every transform with any options on any graph."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcl import transforms
from tests.fuzz.graphs import METAPATHS, any_graphs, types
from tests.fuzz.judge import Refused, judge
from tests.fuzz.options import options_of
from tests.fuzz.profiles import fuzz
from tests.fuzz.test_augmentations import finite

PATHS = st.sampled_from([None, None, *METAPATHS, [], [["t", "a"]], [["t", "z", "t"]], ["t"]])
GIVEN = {
    "AddCentrality": {
        "kind": st.sampled_from(["degree", "pagerank", "eigenvector", "rank"]),
        "eps": st.sampled_from([1e-8, 1e-3, 0.0]),
    },
    "AddCommunities": {
        "method": st.sampled_from(["leiden", "leiden", "louvain", "none"]),
        "community": st.sampled_from([None, None, None, torch.tensor([0, 5, 0])]),
    },
    "AddMetaPaths": {"metapaths": PATHS},
    "AddSoftPositives": {"attr": st.sampled_from(["x", "x", "x", "y", "absent"])},
    "AddInfluence": {"ppr": st.sampled_from([None, None, 0.2, 1.0, 0.0])},
    "PPRDiffusion": {"threshold": st.sampled_from([None, None, 0.0, 0.01, 0.5])},
}
OF_ROWS = {"propagate_new"}  # takes no graph
OF_TYPES = {"AddHeCoPositives", "AddMetaPaths", "metapath_contexts"}


def paths(graph):
    return transforms.AddMetaPaths(METAPATHS[1])(graph)


@pytest.mark.parametrize("name", sorted(set(transforms.__all__) - OF_ROWS))
@fuzz(25)
@given(data=st.data())
def test_a_transform_of_a_graph(name, data):
    both = st.one_of(any_graphs(), any_graphs(), types())
    graph = data.draw(types() if name in OF_TYPES and data.draw(st.integers(0, 9)) else both)
    if name == "metapath_contexts" or (name == "AddHeCoPositives" and data.draw(st.booleans())):
        made = judge(lambda: paths(graph), graph, finite=finite(graph))
        graph = graph if isinstance(made, Refused) else made
    if name == "metapath_contexts":
        judge(lambda: transforms.metapath_contexts(graph), graph, finite=False)
        return
    options = data.draw(options_of(getattr(transforms, name), GIVEN.get(name)))
    made = judge(lambda: getattr(transforms, name)(**options))
    if not isinstance(made, Refused):
        judge(lambda: made(graph), graph, finite=finite(graph))


def test_found_a_diffusion_without_end():
    made = judge(lambda: transforms.PPRDiffusion(alpha=1e-12, topk=1))
    assert isinstance(made, Refused)


def test_found_a_list_for_the_name_of_an_attribute():
    assert isinstance(judge(lambda: transforms.AddSoftPositives(attr=[])), Refused)


def test_found_a_word_for_communities():
    assert isinstance(judge(lambda: transforms.AddCommunities(community="0.3")), Refused)
