"""A student of features, taught by a frozen teacher."""

import copy

import pytest
import torch
from torch_geometric.data import Batch, Data

import gcl
from gcl.methods import Distil, distil

NO_EDGES = torch.empty(2, 0, dtype=torch.long)


@pytest.fixture
def data():
    data = gcl.datasets.sbm(60, 3, num_features=12)
    data.x = data.x.relu()
    return data


def teacher_of(data, **options):
    return gcl.methods.dgi(data, hidden=6, **options)


def test_the_loss_is_half_the_squared_distance_of_unit_rows(data):
    teacher = teacher_of(data)
    student = distil(teacher, data, hidden=(16,), dropout=0.0)
    prepared = student.prepare(data)
    assert "teacher_embedding" not in data
    z = gcl.embed(teacher, data)
    torch.testing.assert_close(prepared.teacher_embedding, z)
    s = student.embed(prepared).detach().double()
    total = 0.0
    for mine, theirs in zip(s.tolist(), z.double().tolist(), strict=True):
        a, b = (torch.tensor(row) for row in (mine, theirs))
        total += float((a / a.norm() - b / b.norm()).square().sum()) / 2
    assert student(prepared).item() == pytest.approx(total / 60, rel=1e-4)


def test_a_student_learns_what_the_teacher_says_and_the_teacher_stays(data):
    teacher = teacher_of(data)
    gcl.fit(teacher, data, epochs=30, lr=0.01)
    kept = copy.deepcopy(teacher.state_dict())
    student = distil(teacher, data, hidden=(32,), dropout=0.1)
    losses = [row["loss"] for row in gcl.fit(student, data, epochs=60, lr=0.01).history]
    assert losses[-1] < losses[0] / 3
    for held in (teacher, student.teacher):
        assert all(torch.equal(kept[k], v) for k, v in held.state_dict().items())
    assert all(p.requires_grad for p in teacher.parameters())
    assert all(p.grad is None and not p.requires_grad for p in student.teacher.parameters())


def test_embedding_asks_neither_for_edges_nor_for_the_teacher(data, monkeypatch):
    student = distil(teacher_of(data), data, hidden=(16,))
    gcl.fit(student, data, epochs=1)

    def refuse(*_):
        raise AssertionError("the teacher was asked")

    monkeypatch.setattr(student.teacher, "prepare", refuse)
    monkeypatch.setattr(student.teacher, "embed", refuse)
    z = gcl.embed(student, data)
    assert student.training  # as it was
    alone = gcl.embed(student, Data(x=data.x[7:9], edge_index=NO_EDGES))
    torch.testing.assert_close(alone, z[7:9])
    with pytest.raises(AssertionError, match="was asked"):
        gcl.fit(student, data, epochs=1)


def test_a_method_in_evaluation_mode_is_prepared_for_training_by_fit(data):
    student = distil(teacher_of(data), data, hidden=(16,)).eval()
    assert gcl.fit(student, data, epochs=1).finished


def test_other_losses_take_the_students_rows_first(data):
    seen = []

    def loss(s, z):
        seen.append((s.requires_grad, z.requires_grad, s.shape == z.shape))
        return (s - z).square().mean()

    student = distil(teacher_of(data), data, hidden=(16,), dropout=0.0, loss=loss)
    prepared = student.prepare(data)
    expected = (student.embed(prepared) - prepared.teacher_embedding).square().mean()
    assert student(prepared).item() == pytest.approx(expected.item())
    assert seen == [(True, False, True)]
    contrast = distil(teacher_of(data), data, hidden=(16,), loss=gcl.losses.InfoNCE(0.5))
    assert gcl.fit(contrast, data, epochs=2).finished


def test_batches_of_seed_nodes_compare_the_seeds(data):
    student = distil(teacher_of(data), data, hidden=(16,), norm=None, dropout=0.0)
    batch = student.prepare(data).clone()
    batch.input_id, batch.batch_size = torch.arange(5), 5
    s, z = student.student(data.x[:5]), batch.teacher_embedding[:5]
    expected = 1 - torch.nn.functional.cosine_similarity(s, z).mean()
    torch.testing.assert_close(student(batch), expected)
    assert student.embed(batch).shape == (5, 6)


def test_the_student_reads_features_as_they_are_and_the_teacher_as_it_does(data):
    data.x = torch.where(data.x > data.x.quantile(0.95), data.x, 0.0)  # kept as a sparse matrix
    teacher = teacher_of(data)
    student = distil(teacher, data, hidden=(16,), dropout=0.0)
    prepared = student.prepare(data)
    assert prepared.x.layout == torch.sparse_csr
    torch.testing.assert_close(prepared.x.to_dense(), data.x)
    torch.testing.assert_close(prepared.teacher_embedding, gcl.embed(teacher, data))
    dense = student.eval().embed(data)
    torch.testing.assert_close(student.embed(student.prepare(data)), dense)


def test_teachers_of_several_parts(data):
    several = gcl.methods.several_seeds(teacher_of(data), seeds=2)
    student = distil(several, data, hidden=(16,))
    assert gcl.embed(student, data).shape == (60, 12)
    again = gcl.methods.several_seeds(student, seeds=2)  # students differ, teachers do not
    first, second = again.members
    assert not torch.equal(first.student.layers[0].weight, second.student.layers[0].weight)
    for a, b in zip(first.teacher.parameters(), second.teacher.parameters(), strict=True):
        assert torch.equal(a, b)


def test_refuses(data):
    with pytest.raises(TypeError, match=r"distil: expected a graph of one node type.*got int"):
        distil(teacher_of(data), 3)
    with pytest.raises(ValueError, match="distil: the graph has no features x"):
        distil(teacher_of(data), Data(edge_index=NO_EDGES, num_nodes=3))
    with pytest.raises(ValueError, match=r"Dropout: p must lie in \[0, 1\), got 1"):
        distil(teacher_of(data), data, dropout=1.0)
    with pytest.raises(ValueError, match="MLPEncoder: width must be at least 1, got 0"):
        distil(teacher_of(data), data, hidden=(0,))
    student = distil(teacher_of(data), data, hidden=(8,))
    with pytest.raises(ValueError, match="Distil: the graph has no teacher_embedding"):
        student(data)
    with pytest.raises(ValueError, match=r"made for 12 features a node, but data\.x is \[3, 5\]"):
        gcl.embed(student, Data(x=torch.ones(3, 5), edge_index=NO_EDGES))
    graphs = Batch.from_data_list([gcl.datasets.sbm(20, 2, num_features=5) for _ in range(2)])
    of_graphs = gcl.methods.graphcl(graphs, hidden=4)
    with pytest.raises(TypeError, match="distil: expected a method that embeds nodes, got a TwoV"):
        distil(of_graphs, graphs)
    with pytest.raises(TypeError, match="Distil: expected a method that embeds nodes"):
        Distil(of_graphs, student.student)
    with pytest.raises(TypeError, match=r"student must be a module .* got 'mlp'"):
        Distil(teacher_of(data), "mlp")
    with pytest.raises(TypeError, match=r"loss must be an objective .* got the class InfoNCE"):
        Distil(teacher_of(data), student.student, gcl.losses.InfoNCE)
