"""The estimator keeps scikit-learn's promises, and trains as the functions do."""

import json
import pickle
from inspect import signature

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from torch_geometric.data import Batch
from torch_geometric.seed import seed_everything

import gcl
from gcl.checkpoint import CheckpointError
from gcl.experiments.criteria import CRITERIA, Seen, Unlabelled
from gcl.experiments.embedder import Embedder, probe_score
from gcl.experiments.run import Run, train_seed
from gcl.methods import recipes

FEW = {"hidden": 8, "proj": 8, "epochs": 3, "random_state": 0}


@pytest.fixture
def data():
    return gcl.datasets.load("karate")


def test_it_trains_as_gcl_train_does(data):
    z = Embedder("grace+macl", **FEW, macl__alpha=0.2, lr=0.01).fit_transform(data)
    options = {"hidden": 8, "proj": 8, "macl": {"alpha": 0.2}}
    run = Run("grace+macl", "karate", epochs=3, lr=0.01, method=options)
    assert np.array_equal(z, train_seed(run, data, 0)[1].z.numpy())


def test_it_trains_as_written_by_hand(data, capsys):
    found = Embedder("dgi", hidden=8, epochs=4, random_state=3).fit(data)
    usual = gcl.methods.dgi.training
    seed_everything(3)
    method = gcl.methods.dgi(data, hidden=8)
    optimizer = torch.optim.Adam(method.parameters(), lr=usual.lr, weight_decay=usual.weight_decay)
    state = gcl.fit(method, data, epochs=4, optimizer=optimizer)
    assert np.array_equal(found.transform(data), gcl.embed(method, data).numpy())
    assert found.loss_ == state.loss
    assert capsys.readouterr() == ("", "")  # estimators are silent


def test_the_recipes_own_length():
    assert Embedder("dgi")._run().epochs == gcl.methods.dgi.training.epochs
    run = Embedder("graphmae", epochs=150)._run()
    assert (run.epochs, run.lr) == (150, 1e-3)


def test_a_seed_leaves_the_global_draws_and_none_takes_part(data):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = Embedder("dgi", hidden=4, epochs=1, random_state=1).fit_transform(data)
    assert torch.equal(torch.rand(1), expected)
    assert np.array_equal(
        first, Embedder("dgi", hidden=4, epochs=1, random_state=1).fit_transform(data)
    )
    free = [Embedder("dgi", hidden=4, epochs=1).fit_transform(data) for _ in range(2)]
    assert not np.array_equal(*free)


def test_params_and_clones(data):
    embedder = Embedder("grace+macl", tau=0.3, macl={"alpha": 0.1}, drop_edge=(0.1, 0.2), epochs=2)
    told = embedder.get_params()
    assert told == {
        "recipe": "grace+macl", "epochs": 2, "random_state": None, "tau": 0.3,
        "macl": {"alpha": 0.1}, "drop_edge": (0.1, 0.2),
    }  # fmt: skip
    other = clone(embedder.fit(data))
    assert other.get_params() == told
    assert not hasattr(other, "method_")
    assert other.set_params(tau=0.9, hidden=4) is other
    assert (other.get_params()["tau"], embedder.get_params()["tau"]) == (0.9, 0.3)
    assert "tau=0.3" in repr(embedder)
    again = pickle.loads(pickle.dumps(embedder))
    assert np.array_equal(again.transform(data), embedder.transform(data))


def test_neither_number_nor_form_of_a_variants_option_matters():
    both = Embedder("grace+macl", macl__alpha=0.1), Embedder("grace+macl", macl={"alpha": 0.1})
    assert both[0]._run() == both[1]._run()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"recipe": "grase"}, "Unknown recipe 'grase'"),
        ({"tua": 0.3}, "grace has no option 'tua'; did you mean 'tau'"),
        ({"tua": 0.3}, "it has hidden, .*lr, weight_decay"),
        ({"recipe": "grace+macl", "macl__alhpa": 1}, "has no option 'alhpa'; did you mean 'alpha'"),
        ({"recipe": 3}, "must be a name"),
    ],
)
def test_names_that_are_none(options, said):
    with pytest.raises(ValueError, match=said):
        Embedder(**options)
    with pytest.raises(ValueError, match=said):
        Embedder().set_params(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tau": -1}, "tau"),
        ({"epochs": 0}, "epochs"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"optimizer": "Adamm"}, "Adamm"),
        ({"random_state": -1}, "random_state"),
        ({"random_state": np.random.default_rng(0)}, "random_state"),
    ],
)
def test_values_out_of_range(options, said, data):
    with pytest.raises((TypeError, ValueError), match=said):
        Embedder("grace", **{"epochs": 1, **options}).fit(data)


def test_other_inputs_are_told(data):
    with pytest.raises(NotFittedError, match="call fit"):
        Embedder().transform(data)
    with pytest.raises(TypeError, match=r"Embedder\.fit: expected a torch_geometric Data"):
        Embedder().fit(np.ones((3, 4)))
    fitted = Embedder("dgi", hidden=4, epochs=1).fit(data)
    other = gcl.datasets.sbm(20, 2, num_features=5)
    with pytest.raises(ValueError, match="34"):
        fitted.transform(other)


def test_rows_at_a_time_and_a_graph_that_has_grown(data):
    fitted = Embedder("dgi", hidden=4, epochs=1, random_state=0).fit(data)
    assert np.allclose(fitted.transform(data, batch_size=5), fitted.transform(data), atol=1e-6)
    grown = data.clone()
    grown.x = torch.cat([data.x, torch.rand(2, 34)])
    grown.y = None
    assert fitted.transform(grown).shape == (36, 4)


def test_sets_of_graphs():
    graphs = [gcl.datasets.sbm(20, 2, num_features=5, seed=seed) for seed in range(6)]
    for graph in graphs:
        graph.y = None
    fitted = Embedder("graphcl", hidden=4, epochs=1, random_state=0).fit(graphs)
    assert fitted.transform(graphs).shape == (6, 12)
    with pytest.raises(TypeError, match=r"give scoring="):
        fitted.score(graphs)


def test_several_graphs_for_a_recipe_of_one(data):
    with pytest.raises(ValueError, match=r"^Embedder\.fit: got a list of 2 graphs.*label a node"):
        Embedder("dgi", epochs=1).fit([data, data])
    fitted = Embedder("dgi", epochs=1, hidden=4).fit(data)
    with pytest.raises(ValueError, match=r"^Embedder\.transform: got a list of 2 graphs"):
        fitted.transform([data, data])
    del data.y
    with pytest.raises(ValueError, match=r"dgi embeds the nodes of one graph, got 2 graphs; give"):
        Embedder("dgi", epochs=1).fit([data, data])
    assert Embedder("dgi", epochs=1).fit(Batch.from_data_list([data, data])).loss_ > 0


def test_frames_with_names(data):
    fitted = Embedder("dgi", hidden=3, epochs=1, random_state=0).fit(data)
    with pytest.raises(NotFittedError, match="call transform"):
        fitted.get_feature_names_out()
    z = fitted.transform(data)
    frame = fitted.set_output(transform="pandas").transform(data)
    assert list(frame.columns) == ["z0", "z1", "z2"]
    assert np.array_equal(frame.to_numpy(), z)
    assert np.array_equal(clone(fitted).set_output(transform="default").fit_transform(data), z)


@pytest.mark.parametrize("recipe", recipes.__all__)
def test_every_recipe_is_cloned_with_each_of_its_options(recipe):
    embedder = Embedder(recipe, epochs=1)
    for name, parameter in list(signature(getattr(recipes, recipe)).parameters.items())[1:]:
        assert embedder.set_params(**{name: parameter.default}).get_params()[name] is (
            parameter.default
        )
    other = clone(embedder)
    assert repr(other.get_params()) == repr(embedder.get_params())
    assert clone(other.set_params(lr=0.5)).get_params()["lr"] == 0.5


def test_an_encoder_that_is_given_stays_as_it_was(data):
    encoder = gcl.nn.GCNEncoder(34, 4)
    before = encoder.weights[0].clone()
    embedder = Embedder("grace", encoder=encoder, epochs=2, lr=0.1, random_state=0)
    first, second = (embedder.fit(data).transform(data) for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(encoder.weights[0], before)
    assert not torch.equal(embedder.method_.encoder.weights[0], before)


def test_grid_search_without_labels(data):
    del data.y
    search = GridSearchCV(
        Embedder("dgi", epochs=2, hidden=8, random_state=0), {"lr": [0.001, 0.05]}, cv=[([0], [0])]
    ).fit([data])
    scores = search.cv_results_["mean_test_score"]
    for lr, score in zip((0.001, 0.05), scores, strict=True):
        z = Embedder("dgi", epochs=2, hidden=8, random_state=0, lr=lr).fit_transform(data)
        seen = Seen(Unlabelled(data), [torch.from_numpy(z)])
        assert score == CRITERIA["modularity_several"].of(seen)
    assert search.best_params_["lr"] == (0.001, 0.05)[int(np.argmax(scores))]
    assert search.transform([data]).shape == (34, 8)


def test_grid_search_by_a_probe(data):
    search = GridSearchCV(
        Embedder("dgi", epochs=1, hidden=8, random_state=0),
        {"hidden": [2, 8], "recipe": ["dgi", "ggd"]},
        cv=[([0], [0])],
        scoring=probe_score,
    ).fit([data])
    assert set(search.cv_results_["param_hidden"]) == {2, 8}
    assert np.all(search.cv_results_["mean_test_score"] > 0)
    del data.y
    with pytest.raises(ValueError, match=r"with labels \(data\.y\)"):
        probe_score(search.best_estimator_, data)


def test_saved_and_loaded(data, tmp_path):
    fitted = Embedder("grace+macl", **FEW, macl__alpha=0.2, drop_edge=(0.1, 0.3)).fit(data)
    again = Embedder.load(fitted.save(tmp_path))
    assert again.get_params() == fitted.get_params()
    assert again.loss_ == fitted.loss_
    assert np.array_equal(again.transform(data), fitted.transform(data))
    assert np.array_equal(gcl.embed(gcl.load(tmp_path), data), fitted.transform(data))
    (tmp_path / "embedder.json").write_text(json.dumps({"parameters": {"recipe": "nobody"}}))
    with pytest.raises(CheckpointError, match="does not tell the parameters"):
        Embedder.load(tmp_path)


def test_a_folder_of_gcl_save(data, tmp_path):
    method = gcl.methods.macl(gcl.methods.grace(data, hidden=8, tau=0.3), alpha=0.2)
    found = Embedder.load(gcl.save(method, tmp_path))
    params = found.get_params()
    assert (params["recipe"], params["tau"], params["macl"]["alpha"]) == ("grace+macl", 0.3, 0.2)
    assert np.array_equal(found.transform(data), gcl.embed(method, data).numpy())


@pytest.mark.parametrize(
    "parameters",
    [
        {"recipe": "{folder}/evil.py:run"},
        {"recipe": "os:getcwd"},
        {"recipe": "dgi", "hidden": 99},
        {"recipe": "grace"},
        {},
    ],
)
def test_parameters_of_another_method_are_refused_and_run_nothing(parameters, data, tmp_path):
    folder = tmp_path / "folder"
    Embedder("dgi", hidden=8, epochs=1, random_state=0).fit(data).save(folder)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef run(data): ...\n")
    told = {key: str(v).replace("{folder}", str(folder)) if key == "recipe" else v
            for key, v in parameters.items()}  # fmt: skip
    content = json.loads((folder / "embedder.json").read_text())
    (folder / "embedder.json").write_text(json.dumps({**content, "parameters": told}))
    with pytest.raises(CheckpointError, match="is not that of the method"):
        Embedder.load(folder)
    assert not (tmp_path / "ran").exists()


def test_what_was_written_of_other_weights_is_not_told(data, tmp_path):
    fitted = Embedder("dgi", hidden=8, epochs=1, lr=0.5, random_state=0).fit(data)
    folder = fitted.save(tmp_path / "folder")
    stale = (folder / "embedder.json").read_text()
    other = gcl.methods.dgi(data, hidden=8)
    gcl.save(other, folder)
    assert not (folder / "embedder.json").exists()
    found = Embedder.load(folder)
    assert np.isnan(found.loss_)
    assert "lr" not in found.get_params()
    (folder / "embedder.json").write_text(stale)
    with pytest.raises(CheckpointError, match=r"embedder\.json was written with other weights"):
        Embedder.load(folder)


def test_loading_leaves_the_generators(data, tmp_path):
    encoder = gcl.nn.GCNEncoder(34, 8)
    fitted = Embedder("grace", encoder=encoder, epochs=1, proj=8, random_state=0).fit(data)
    folder = fitted.save(tmp_path / "folder")
    before = torch.get_rng_state()
    Embedder.load(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_large_file_of_parameters_is_not_read(data, tmp_path):
    Embedder("dgi", hidden=8, epochs=1, random_state=0).fit(data).save(tmp_path / "folder")
    (tmp_path / "folder" / "embedder.json").write_text(" " * (1 << 21))
    with pytest.raises(CheckpointError, match="too large"):
        Embedder.load(tmp_path / "folder")


def test_what_was_changed_since_fit_is_not_saved(data, tmp_path):
    embedder = Embedder("grace+macl", **FEW, macl__alpha=0.2).fit(data)
    embedder.set_params(macl__alpha=0.3)
    with pytest.raises(ValueError, match="macl__alpha was changed since fit"):
        embedder.save(tmp_path / "folder")
    embedder.set_params(macl__alpha=0.2, random_state=np.int64(3)).fit(data).save(tmp_path / "one")
    assert Embedder.load(tmp_path / "one").get_params()["random_state"] == 3
