"""Meta-paths as users write them, and what is said of those that do not fit."""

from __future__ import annotations

import pytest
import torch

from gcl.transforms.add_meta_paths import AddMetaPaths
from tests.heterogeneous import as_dict, random_graph, walk_counts


@pytest.mark.parametrize(
    ("metapath", "message"),
    [
        (["t", "a"], "meta-path 1 starts at 't', so step 1 must end there, but it ends at 'a'"),
        (["a", "t", "a"], "meta-path 1 starts at 'a' in step 1, meta-path 0 at 't'"),
        (["t", "a", "z", "t"], "step 2 of meta-path 1, 'a' -> 'z': there is no node type 'z'"),
        (["t", "b", "b", "t"], "step 2 of meta-path 1, 'b' -> 'b': no edge type leads there.*Undi"),
        ([("t", "to", "a"), ("b", "to", "t")], "step 2 of meta-path 1 must start at 'a', where st"),
        ([("t", "to", "a"), ("a", "by", "t")], r"step 2 of meta-path 1: there is no edge type \('"),
    ],
)
def test_chains_that_do_not_fit(metapath, message):
    with pytest.raises(ValueError, match=message):
        AddMetaPaths([["t", "a", "t"], metapath])(random_graph())


def test_ambiguous_steps_ask_for_edge_types():
    data = random_graph()
    data["t", "like", "a"].edge_index = torch.tensor([[0], [0]])
    with pytest.raises(ValueError, match="step 1 of meta-path 0, 't' -> 'a': 2 edge types lead"):
        AddMetaPaths([["t", "a", "t"]])(data)
    out = AddMetaPaths([[("t", "like", "a"), ("a", "to", "t")]], topk_form="row")(data)
    expected = walk_counts(data, [("t", "like", "a"), ("a", "to", "t")])
    assert as_dict(out["t", "metapath_0", "t"]) == expected
