"""A student that reads features only, taught what a trained method says of the nodes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn
from torch_geometric.data import Data

from gcl.checks import shown
from gcl.contracts import Graph, Loss, Method, Transform, check_is_method
from gcl.describe import describe_parts
from gcl.graphs.kinds import check_input, check_one_type, input_width
from gcl.graphs.rows import counted_rows
from gcl.losses import BootstrapCosine
from gcl.methods.made import recorded
from gcl.nn.fresh_weights import draw_again
from gcl.nn.mlp_encoder import MLPEncoder
from gcl.training.embedding import embed, embed_prepared
from gcl.transforms import ToSparseFeatures


class Distil(Method):
    r"""A network of features alone whose rows come close to the embeddings of a teacher.

        L = loss( s(x), z ),   z the teacher's embeddings, constant

    `prepare` writes them to the graph as `teacher_embedding`, once, and only in training mode; the
    embedding is `s(x)`, for which neither the teacher nor an edge is asked.

    Args:
        teacher: a method of nodes. It is kept, and its parameters are frozen.
        student: `x [n, f] -> [n, d]`, as wide as the teacher's embeddings.
        loss: of two matrices, the student's rows first; `gcl.losses.BootstrapCosine()` if None.
        prepare: a transform of the graph that the student reads; the teacher has its own.

    Raises:
        TypeError: teacher, student or loss of another kind; a teacher of graphs.
        ValueError: a graph to train on that was not prepared.

    Example:
        >>> import gcl
        >>> from gcl.nn import MLPEncoder
        >>> data = gcl.datasets.load("karate")
        >>> method = Distil(gcl.methods.dgi(data, hidden=8), MLPEncoder(34, (16,), 8))
        >>> gcl.fit(method, data, epochs=2).finished
        True
    """

    def __init__(
        self,
        teacher: Method,
        student: nn.Module,
        loss: Loss | None = None,
        prepare: Transform | None = None,
    ):
        super().__init__()
        check_is_method("Distil", teacher)
        if teacher.graph_level:
            raise TypeError(
                "Distil: expected a method that embeds nodes, got a "
                f"{type(teacher).__name__} of whole graphs."
            )
        if not isinstance(student, nn.Module):
            raise TypeError(
                f"Distil: student must be a module x -> [n, d], such as gcl.nn.MLPEncoder, got "
                f"{shown(student)}."
            )
        if loss is not None and (not callable(loss) or isinstance(loss, type)):
            raise TypeError(
                f"Distil: loss must be an objective (z1, z2) -> scalar, got {shown(loss)}."
            )
        self.teacher, self.student = teacher.requires_grad_(False), student
        self.objective = BootstrapCosine() if loss is None else loss
        self.whole_graph = prepare

    def prepare(self, data: Graph) -> Graph:
        check_one_type("Distil", data)
        own = super().prepare(data)
        if not self.training:
            return own
        own = copy.copy(own)
        own.teacher_embedding = embed_prepared(self.teacher, self.teacher.prepare(data))
        return own

    def loss(self, data: Any) -> Tensor:
        found = self.embed(data)
        if "teacher_embedding" not in data:
            raise ValueError(
                "Distil: the graph has no teacher_embedding; gcl.fit prepares a graph, in a loop "
                "of your own call method.train().prepare(data) once."
            )
        return self.objective(found, counted_rows(data.teacher_embedding, data))

    def embed(self, data: Any) -> Tensor:
        check_input("Distil", data, self.student)
        return counted_rows(self.student(data.x), data)

    def reset_parameters(self) -> None:
        draw_again(self.student)

    def extra_repr(self) -> str:
        return describe_parts(prepare=self.whole_graph)


@recorded()
def distil(
    method: Method,
    data: Data,
    *,
    hidden: Sequence[int] = (512,),
    norm: Literal["batch"] | None = "batch",
    dropout: float = 0.5,
    loss: Loss | None = None,
) -> Distil:
    """A student of a trained method: an MLP of the features, for nodes whose edges nobody knows.

        L = 1 - mean_i cos( s(x_i), z_i )  =  1/2 mean_i || s_i / ||s_i|| - z_i / ||z_i|| ||^2

    Train the method, then the student; what the student embeds needs no edges:

        teacher = gcl.methods.grace(data)
        gcl.fit(teacher, data, epochs=200)
        student = gcl.methods.distil(teacher, data)
        gcl.fit(student, data, epochs=200)
        z = gcl.embed(student, new)

    Args:
        method: the teacher, trained, of nodes. It is copied, weights and all, and frozen; the
            student's checkpoints hold it, too.
        data: a graph that the teacher embeds, for the widths of features and embeddings; nothing
            else of it is read.
        hidden: widths of the student's layers before the last.
        norm: "batch" for a batch norm before every ReLU, or None.
        dropout: of the student's features, in [0, 1). Without any, a student of bags of words
            learns the rows it has seen by heart and is worth little on others.
        loss: another one, of the rows of student and teacher, e.g. `gcl.losses.InfoNCE(0.5)`.

    Raises:
        TypeError: no method, one of whole graphs, no graph of one node type.
        ValueError: a width below 1, dropout outside its range, a graph without features.

    Reference:
        Zhang et al., "Graph-less Neural Networks: Teaching Old MLPs New Tricks via Distillation",
        ICLR 2022, who distil predictions of classes; embeddings here.

    Example:
        >>> import gcl, torch
        >>> data = gcl.datasets.load("karate")
        >>> student = distil(gcl.methods.dgi(data, hidden=8), data, hidden=(16,))
        >>> gcl.embed(student, Data(x=data.x[:3], edge_index=torch.empty(2, 0).long())).shape
        torch.Size([3, 8])
    """
    check_is_method("distil", method)
    width = input_width("distil", data, None)
    if method.graph_level:
        raise TypeError(
            f"distil: expected a method that embeds nodes, got a {type(method).__name__} of whole "
            "graphs."
        )
    teacher = copy.deepcopy(method)
    wide = embed(teacher, data).shape[1]
    student = MLPEncoder(width, hidden, wide, norm=norm, dropout=dropout)
    device = next((p.device for p in teacher.parameters()), None)
    return Distil(teacher, student.to(device), loss, ToSparseFeatures())
