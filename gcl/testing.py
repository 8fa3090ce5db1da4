"""The contracts as checks to run on your own augmentation, loss, method or variant.

    from gcl.testing import check_augmentation, check_loss, check_method, check_variant

    def test_my_augmentation():
        check_augmentation(MyAugmentation(p=0.3))

Each raises `AssertionError` with one sentence about the first promise that is broken; what the part
itself raised is its cause. They are what this package runs over everything it exports.
"""

from __future__ import annotations

import copy
import io
import itertools
import math
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData

from gcl.contracts import Graph, Loss, Transform


def check_augmentation(
    transform: Transform,
    *,
    graphs: Iterable[tuple[str, Graph]] | None = None,
    keeps_nodes: bool = True,
    makes_edges: bool = False,
    hetero: bool = True,
) -> None:
    """What every view-making transform of a graph promises.

    The input stays untouched; the result is a graph of the same kind, with valid edges whose
    attributes still belong to them and with nodes in their order; the same seed gives the same
    view; it pickles. Checked on odd graphs: no edges, one node, self-loops, isolated and trailing
    nodes, duplicates, directed, double precision, a `Batch`, a `HeteroData`.

    Args:
        transform: what to check.
        graphs: `(name, graph)` pairs; `odd_graphs()` if None.
        keeps_nodes: False for transforms that remove nodes (the rest keeps its relative order).
        makes_edges: True for transforms that add edges; edge attributes are then checked for
            length only.
        hetero: False for transforms that are not made for a `HeteroData`; it is then left out.

    Raises:
        AssertionError: a promise is broken.

    Example:
        >>> import gcl
        >>> check_augmentation(gcl.augment.EdgeDropping(0.3))
    """
    with _about(transform) as at:
        for name, graph in odd_graphs() if graphs is None else graphs:
            if isinstance(graph, HeteroData) and not hetero:
                continue
            at.append(f"on {name}")
            before = graph.clone()
            views = []
            for _ in range(2):
                torch.manual_seed(7)
                views.append(transform(copy.copy(graph)))
            _require(_same(graph, before), f"on {name}: the input graph was changed")
            view = views[0]
            _require(type(view) is type(graph), f"on {name}: returned a {type(view).__name__}")
            _require(_same(view, views[1]), f"on {name}: two calls with one seed differ")
            _check_nodes(name, graph, view, keeps_nodes)
            _check_edges(name, graph, view, makes_edges)
            if isinstance(graph, Batch):
                _require(
                    sum(g.num_nodes for g in view.to_data_list()) == view.num_nodes,
                    f"on {name}: the batch no longer splits into its graphs",
                )
        at.append("pickling it")
        clone = pickle.loads(pickle.dumps(transform))
        _require(repr(clone) == repr(transform), "it does not survive pickling")


def check_loss(
    loss: Loss,
    *,
    rows: Iterable[int] = (2, 3, 17),
    dim: int = 8,
    min_rows: int = 1,
    constants: bool = False,
    one_sided: bool = False,
    draws: bool = False,
    compares: bool = True,
    refuses: bool = False,
) -> None:
    """What every `(z1, z2) -> scalar` objective promises.

    A finite scalar; finite gradients for both views that agree with differences of the value;
    the same value for any order of the rows; zero rows and half precision without NaN; and views
    that agree are better than views that do not. The options name what a loss gives up on purpose.

    Args:
        loss: what to check.
        rows: numbers of rows to try.
        dim: width of the rows.
        min_rows: below this many rows the loss must raise ValueError; from there on it must work.
        constants: it treats parts of itself as constants (detached weights, targets), so the
            gradient is not that of the value.
        one_sided: the second matrix is a target that gets no gradient.
        draws: it draws from the global generator; the same seed must give the same value, and
            the order of the rows is not checked.
        compares: False if the two matrices are not views of the same nodes, so that agreeing ones
            need not be better.
        refuses: it answers unequal shapes and integers with a ValueError or TypeError of its own,
            as every loss of this package does.

    Raises:
        AssertionError: a promise is broken.

    Example:
        >>> import gcl
        >>> check_loss(gcl.losses.InfoNCE(0.5))
    """
    with _about(loss) as at:
        generator = torch.Generator().manual_seed(0)

        def random(n: int, dtype: torch.dtype = torch.float64) -> Tensor:
            return torch.randn(n, dim, generator=generator, dtype=torch.float64).to(dtype)

        def run(z1: Tensor, z2: Tensor) -> Tensor:
            if not draws:
                return loss(z1, z2)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                return loss(z1, z2)

        for n in (n for n in rows if n >= min_rows):
            z1, z2 = random(n).requires_grad_(), random(n).requires_grad_()
            at.append(f"{n} rows")
            value = run(z1, z2)
            got = type(value).__name__
            _require(isinstance(value, Tensor), f"{n} rows: expected a scalar tensor, got {got}")
            _require(
                value.dim() == 0, f"{n} rows: expected a scalar, got shape {list(value.shape)}"
            )
            _require(bool(value.isfinite()), f"{n} rows: the value is {float(value.detach())}")
            again = run(z1, z2)
            _require(torch.equal(again, value), f"{n} rows: two calls with one seed differ")
            _require(value.requires_grad, f"{n} rows: no gradient reaches the views")
            inputs = (z1,) if one_sided else (z1, z2)
            grads = torch.autograd.grad(value, inputs, allow_unused=True)
            for which, grad in zip(("first", "second"), grads, strict=False):
                _require(grad is not None, f"{n} rows: no gradient reaches the {which} view")
                _require(bool(grad.isfinite().all()), f"{n} rows: gradient of the {which} view")
            if not constants:
                _require_gradient(run, z1.detach(), z2.detach(), grads, n)
            if not draws:
                order = torch.randperm(n, generator=generator)
                _require(
                    bool(torch.isclose(run(z1[order], z2[order]), value, rtol=1e-8, atol=1e-10)),
                    f"{n} rows: the value depends on the order of the rows",
                )

        n = max(min_rows, 16)
        at.append("zero rows in single precision")
        z1, z2 = random(n, torch.float32), random(n, torch.float32)
        z1[:2] = 0
        z1.requires_grad_()
        value = run(z1, z2)
        (grad,) = torch.autograd.grad(value, z1)
        _require(bool(value.isfinite() & grad.isfinite().all()), "zero rows give NaN or infinity")
        at.append("bfloat16 input")
        half = run(random(n, torch.bfloat16), random(n, torch.bfloat16))
        _require(bool(half.isfinite()), "bfloat16 input gives NaN or infinity")

        if compares:
            at.append("64 rows")
            z = random(64)
            aligned, mixed = run(z, z + 0.01 * random(64)), run(z, random(64))
            _require(
                bool(aligned < mixed), "views that agree do not score better than unrelated ones"
            )

        if refuses:
            _require_raises(run, random(4), random(5), "unequal shapes")
            _require_raises(run, random(4).long(), random(4).long(), "integer input")
        for n in range(1, min_rows):
            _require_raises(run, random(n), random(n), f"{n} rows")


def check_negatives(
    negatives: Callable[[Tensor, Tensor, Any], Tensor],
    *,
    rows: int = 17,
    dim: int = 8,
    chosen: Callable[[Tensor, Tensor], Tensor] | None = None,
    constants: bool = False,
    fits: bool = False,
    refuses: bool = False,
) -> None:
    """What every object for the `negatives` option of a softmax loss promises.

    `(q, k, tau) -> [n]`, the log-sum-exp of `<q_i, k_j> / tau` over the negatives j of row i: never
    over j = i, so neither k_i nor its gradient has a part in row i; -inf for a row without any, and
    no NaN from it; finite gradients for q, k and tau that agree with differences of the value; the
    same value for the same seed; q and k stay untouched; zero rows and half precision without NaN;
    a single row is -inf or refused. It pickles and copies. With the attribute `sums_all`, it counts
    all n - 1 other rows at a high temperature.

    Each call is made on a copy, with rows of unit length.

    Args:
        negatives: what to check.
        rows: number of rows n, for objects that are made for so many.
        dim: width of the rows.
        chosen: `(q, k) -> [n, n]`, True where j is a negative of i; the values must then be those
            of a double loop over these pairs.
        constants: it treats parts of itself as constants, so the gradient is not that of the value.
        fits: it fits something to all rows of k, such as clusters, so that k_i may decide which
            others are the negatives of row i; its gradient must not reach row i even so.
        refuses: it answers unequal shapes and integers with a ValueError or TypeError of its own,
            as all of this package do.

    Raises:
        AssertionError: a promise is broken.

    Example:
        >>> import gcl
        >>> check_negatives(gcl.losses.HardestNegatives(5))
    """
    with _about(negatives):
        generator = torch.Generator().manual_seed(0)

        def random(n: int, dtype: torch.dtype = torch.float64) -> Tensor:
            z = torch.randn(n, dim, generator=generator, dtype=torch.float64)
            return (z / z.norm(dim=1, keepdim=True)).to(dtype)

        def run(q: Tensor, k: Tensor, tau: Any = 0.5, on: Any = negatives) -> Tensor:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                value: Tensor = copy.deepcopy(on)(q, k, tau)
            return value

        q, k = random(rows).requires_grad_(), random(rows).requires_grad_()
        tau = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        before = q.detach().clone(), k.detach().clone()
        value = run(q, k, tau)
        _require(torch.equal(q, before[0]) and torch.equal(k, before[1]), "it changed its input")
        _require(
            value.shape == (rows,), f"expected one number a row [{rows}], got {list(value.shape)}"
        )
        some = value.detach().isfinite()
        _require(bool((some | value.isneginf()).all()), "a value is neither finite nor -inf")
        _require(bool(some.any()), "no row has a negative")
        _require(torch.equal(run(q, k, tau), value), "two calls with one seed differ")
        _require(torch.equal(run(q, k), value), "tau as a number and as a tensor differ")
        try:
            clone = pickle.loads(pickle.dumps(negatives))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise AssertionError(f"it does not survive pickling: {error}.") from error
        _require(torch.equal(run(q, k, on=clone), value), "it does not survive pickling")

        grads = torch.autograd.grad(
            value[some].sum(), (q, k, tau), retain_graph=True, allow_unused=True
        )
        for name, grad in zip(("q", "k", "tau"), grads, strict=True):
            reached = grad is not None and bool((grad != 0).any())
            _require(reached, f"no gradient reaches {name}")
            _require(bool(grad.isfinite().all()), f"the gradient of {name} is not finite")
        _require_others(run, q, k, value, fits, random(rows))
        if not constants:
            _require_slope(run, (q.detach(), k.detach(), tau.detach()), grads, some)
        if chosen is not None:
            _require_pairs(q.detach(), k.detach(), chosen(q.detach(), k.detach()), value.detach())
        if getattr(negatives, "sums_all", False):
            count = run(q, k, 1e6).exp()
            _require(
                bool(((count - (rows - 1)).abs() < 1e-3).all()),
                f"it says sums_all, but counts {float(count.min().detach()):.3g} of {rows - 1}",
            )

        single = random(rows, torch.float32), random(rows, torch.float32)
        single[0][:2] = 0
        single[1][1:3] = 0
        low = run(single[0].requires_grad_(), single[1])
        (grad,) = torch.autograd.grad(low[low.isfinite()].sum(), single[0])
        sound = not bool(low.isnan().any()) and bool(grad.isfinite().all())
        _require(sound, "zero rows give NaN or infinity")
        half = run(random(rows, torch.bfloat16), random(rows, torch.bfloat16))
        _require(not bool(half.isnan().any()), "bfloat16 input gives NaN")
        wide = half.dtype in (torch.float32, torch.float64)
        _require(wide, f"bfloat16 input gives {half.dtype} in place of float32")
        if refuses:
            _require_raises(run, random(rows), random(rows + 1), "unequal shapes")
            _require_raises(run, random(rows).long(), random(rows).long(), "integer input")
        try:
            alone = run(random(1), random(1))
        except ValueError:
            return
        _require(bool(alone.isneginf().all()), "one row alone has no negatives, so it must be -inf")


def check_method(method: Any, data: Graph) -> None:
    """What every `gcl.Method` promises, on a graph of your choice (small: it is trained a step).

    `prepare` leaves its input alone; `loss` gives a finite scalar whose gradient reaches
    parameters; `embed` gives a finite `[n, d]` matrix, in evaluation mode the same every time;
    neither changes the data; the weights survive `state_dict` and a copy; no data are stored.

    Args:
        method: what to check.
        data: a graph it works on.

    Raises:
        AssertionError: a promise is broken.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> check_method(gcl.methods.grace(data, hidden=8), data)
    """
    with _about(method):
        before = data.clone()
        prepared = method.prepare(data)
        _require(_same(data, before), "prepare changed its input")
        frozen = prepared.clone()

        method.train()
        loss = method(prepared)
        _require(isinstance(loss, Tensor) and loss.dim() == 0, "loss must be a scalar tensor")
        _require(bool(loss.isfinite()), f"the loss is {float(loss.detach())}")
        _require(loss.requires_grad, "the loss does not depend on any parameter")
        loss.backward()
        reached = [p for p in method.parameters() if p.grad is not None]
        _require(len(reached) > 0, "the gradient reaches no parameter")
        _require(all(bool(p.grad.isfinite().all()) for p in reached), "a gradient is not finite")
        method.after_step(1, 10)
        _require(_same(prepared, frozen), "loss changed its input")

        method.eval()
        with torch.no_grad():
            z, again = method.embed(prepared), method.embed(prepared)
        _require(z.dim() == 2, f"embed must return [n, d], got {list(z.shape)}")
        _require(bool(z.isfinite().all()), "embed gives NaN or infinity")
        _require(torch.equal(z, again), "embed differs from call to call in evaluation mode")
        _require(_same(prepared, frozen), "embed changed its input")

        other = copy.deepcopy(method)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
        weights = io.BytesIO()
        torch.save(method.state_dict(), weights)
        weights.seek(0)
        other.load_state_dict(torch.load(weights, weights_only=True))
        with torch.no_grad():
            _require(torch.equal(other.eval().embed(prepared), z), "state_dict misses a part")
        held = [
            m
            for m in method.modules()
            for v in vars(m).values()
            if isinstance(v, Data | HeteroData)
        ]
        _require(not held, "it stores data")


def check_variant(
    variant: Callable[[Any], Any], method: Any, data: Graph, *, keeps_embedding: bool = True
) -> None:
    """What every variant promises: `Method -> Method`, and the given one stays as it was.

    The result passes `check_method` and has all the given encoder's weights; the given method
    keeps its weights, and its losses by seed.

    Args:
        variant: a function of a method, such as `partial(gcl.methods.macl, alpha=0.2)`.
        method: one that it fits.
        data: a graph the method works on (small: it is trained a step).
        keeps_embedding: False for a variant that embeds otherwise from the start, such as
            `gcl.methods.several_seeds`; as many rows are asked for all the same.

    Raises:
        AssertionError: a promise is broken.

    Example:
        >>> import gcl
        >>> data = gcl.datasets.load("karate")
        >>> check_variant(gcl.methods.macl, gcl.methods.grace(data, hidden=8), data)
    """
    with _about(variant):
        prepared = method.prepare(data)
        before, kept = _seeded_loss(method, prepared), copy.deepcopy(method.state_dict())
        changed = variant(method)
        _require(method.training, "the given method is no longer in training mode")
        _require(callable(getattr(changed, "loss", None)), "a variant must return a method")
        with torch.no_grad():
            z, own = changed.eval().embed(changed.prepare(data)), method.eval().embed(prepared)
        _require(len(z) == len(own), f"it embeds {len(z)} rows in the place of {len(own)}")
        if keeps_embedding:
            same = z.shape == own.shape and torch.equal(z, own)
            _require(same, "the embedding is another one")
        changed.train()
        check_method(changed, data)
        with torch.no_grad():  # as a step of training does
            for parameter in changed.parameters():
                parameter.add_(0.1)
        same = all(torch.equal(kept[key], value) for key, value in method.state_dict().items())
        _require(same and len(kept) == len(method.state_dict()), "the given method's state changed")
        again = _seeded_loss(method, prepared)
        _require(torch.equal(before, again), "the given method has another loss than before")


def _seeded_loss(method: Any, prepared: Graph) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found: Tensor = method.train()(prepared).detach()
    return found


@contextmanager
def _about(part: Any) -> Iterator[list[str]]:
    """What goes wrong within becomes a sentence about the part.

    Gives a list whose last entry says what is done at the moment.
    """
    name = getattr(part, "__name__", type(part).__name__)
    name = getattr(getattr(part, "func", None), "__name__", name)  # of functools.partial
    at: list[str] = []
    try:
        yield at
    except AssertionError as error:
        raise AssertionError(f"{name}: {error}") from error.__cause__
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".") or "no words"
        where = f"{at[-1]}: " if at else ""
        raise AssertionError(
            f"{name}: {where}it raised {type(error).__name__}: {reason}."
        ) from error


def odd_graphs() -> list[tuple[str, Graph]]:
    """`(name, graph)` pairs that break careless transforms; every edge carries its own identity.

    `edge_attr` of a homogeneous edge is `[source id, target id, copy]`, where node ids are stored
    in `node_id`, so that a transform which mixes up attributes is found out.
    """
    both = [[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]
    graphs: list[tuple[str, Graph]] = [
        ("an undirected path", _graph(4, both)),
        ("a directed graph", _graph(4, [[0, 0, 1, 3], [1, 2, 2, 0]])),
        ("a graph without edges", _graph(3, [[], []])),
        ("one node", _graph(1, [[], []])),
        ("one node with a self-loop", _graph(1, [[0], [0]])),
        ("self-loops among edges", _graph(3, [[0, 0, 1, 1, 2], [0, 1, 0, 2, 1]])),
        ("isolated and trailing nodes", _graph(7, [[1, 3], [3, 1]])),
        ("parallel edges", _graph(3, [[0, 0, 1, 1, 0], [1, 1, 0, 0, 1]])),
        ("as many edges as nodes", _graph(4, [[0, 1, 2, 3], [1, 0, 3, 2]])),
        ("double precision", _graph(4, both, dtype=torch.float64)),
        ("unsorted edges", _graph(5, [[4, 0, 2, 1, 0, 4], [0, 4, 1, 2, 2, 3]])),
        ("an undirected ring of 40", _ring(40)),
    ]
    weighted = _graph(4, both)
    weighted.edge_weight = torch.linspace(0.1, 0.6, 6)
    graphs.append(("edge weights", weighted))
    parts = [_graph(4, both), _graph(1, [[], []]), _graph(3, [[0, 1], [1, 0]]), _ring(9)]
    graphs.append(("a batch of four graphs", Batch.from_data_list(parts)))
    graphs.append(("a heterogeneous graph", _hetero()))
    return graphs


def _graph(num_nodes: int, edges: list[list[int]], dtype: torch.dtype = torch.float32) -> Data:
    edge_index = torch.tensor(edges, dtype=torch.long).view(2, -1)
    ids = torch.arange(edge_index.shape[1])
    values = torch.linspace(0.5, 2.0, num_nodes * 5, dtype=dtype).view(num_nodes, 5)
    return Data(
        x=values,
        edge_index=edge_index,
        edge_attr=torch.stack([edge_index[0], edge_index[1], ids], dim=1).to(dtype),
        node_id=torch.arange(num_nodes),
        y=torch.arange(num_nodes) % 2,
    )


def _ring(n: int) -> Data:
    here = list(range(n))
    there = [*here[1:], 0]
    return _graph(n, [here + there, there + here])


def _hetero() -> HeteroData:
    data = HeteroData()
    for kind, size in (("paper", 5), ("author", 4)):
        data[kind].x = torch.linspace(0.5, 2.0, size * 3).view(size, 3)
        data[kind].node_id = torch.arange(size)
    written = torch.tensor([[0, 1, 1, 2, 4], [0, 0, 3, 1, 3]])
    cites = torch.tensor([[0, 1, 2, 2], [1, 0, 3, 2]])
    links = {
        ("paper", "by", "author"): written,
        ("author", "rev_by", "paper"): written.flip(0),
        ("paper", "cites", "paper"): cites,
    }
    for relation, edges in links.items():
        ids = torch.arange(edges.shape[1])
        data[relation].edge_index = edges
        data[relation].edge_attr = torch.stack([edges[0], edges[1], ids], dim=1).float()
    return data


def _check_nodes(name: str, graph: Graph, view: Graph, keeps_nodes: bool) -> None:
    for old, new in zip(graph.node_stores, view.node_stores, strict=True):
        _require("node_id" in new, f"on {name}: the attribute node_id is gone")
        ids = new.node_id
        _require(new.num_nodes == len(ids), f"on {name}: num_nodes and node attributes disagree")
        if "x" in new:
            _require(new.x.shape[0] == len(ids), f"on {name}: x and the other attributes disagree")
            _require(new.x.dtype == old.x.dtype, f"on {name}: x changed its type")
        if keeps_nodes:
            _require(torch.equal(ids, old.node_id), f"on {name}: nodes changed their order")
        else:
            kept = torch.isin(old.node_id, ids)
            _require(len(ids) > 0 or len(kept) == 0, f"on {name}: no node is left")


def _check_edges(name: str, graph: Graph, view: Graph, makes_edges: bool) -> None:
    for old, new in zip(graph.edge_stores, view.edge_stores, strict=True):
        edges = new.edge_index
        _require(
            edges.dtype == torch.long and edges.dim() == 2 and edges.shape[0] == 2,
            f"on {name}: edge_index must be [2, e] of int64",
        )
        for key, value in new.items():
            if key.startswith("edge_") and key != "edge_index":
                _require(
                    value.shape[0] == edges.shape[1], f"on {name}: {key} lost track of its edges"
                )
        source, target = _ends(view, new)
        inside = bool(
            ((edges >= 0).all(0) & (edges[0] < len(source)) & (edges[1] < len(target))).all()
        )
        _require(inside, f"on {name}: an edge leads outside the graph")
        if makes_edges or "edge_attr" not in new or isinstance(view, Batch):
            continue
        claimed = new.edge_attr[:, :2].long()
        actual = torch.stack([source[edges[0]], target[edges[1]]], dim=1)
        _require(torch.equal(claimed, actual), f"on {name}: edge attributes no longer match")
        _require(
            bool(torch.isin(new.edge_attr[:, 2], old.edge_attr[:, 2]).all()),
            f"on {name}: an edge attribute is not one of the input's",
        )


def _ends(graph: Graph, store: Any) -> tuple[Tensor, Tensor]:
    if isinstance(graph, HeteroData):
        source, _, target = store._key
        return graph[source].node_id, graph[target].node_id
    return graph.node_id, graph.node_id


def _same(a: Graph, b: Graph) -> bool:
    stores = itertools.zip_longest(a.stores, b.stores)
    return all(x is not None and y is not None and _same_store(x, y) for x, y in stores)


def _same_store(a: Any, b: Any) -> bool:
    if list(a.keys()) != list(b.keys()):
        return False
    return all(_same_value(value, b[key]) for key, value in a.items())


def _same_value(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        if not isinstance(b, Tensor) or a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.layout == torch.sparse_csr:
            return b.layout == a.layout and torch.equal(a.to_dense(), b.to_dense())
        return bool(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))
    return bool(_plain(a) == _plain(b))


def _plain(value: Any) -> Any:
    # PyG makes lists of the tuples inside attributes when it copies a graph.
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _require_gradient(
    loss: Loss, z1: Tensor, z2: Tensor, grads: tuple[Tensor, ...], rows: int
) -> None:
    """Central differences along one random direction, in as many matrices as have a gradient."""
    generator = torch.Generator().manual_seed(1)
    ways = [torch.randn(z.shape, generator=generator, dtype=z.dtype) for z in (z1, z2)]
    if len(grads) == 1:
        ways[1].zero_()
    step = 1e-6
    rise = loss(z1 + step * ways[0], z2 + step * ways[1]) - loss(
        z1 - step * ways[0], z2 - step * ways[1]
    )
    slope = sum(float((g * w).sum()) for g, w in zip(grads, ways, strict=False))
    _require(
        abs(float(rise.detach()) / (2 * step) - slope) <= 1e-5 * (1 + abs(slope)),
        f"{rows} rows: the gradient does not match differences of the value",
    )


def _require_slope(
    run: Callable[..., Tensor],
    inputs: tuple[Tensor, ...],
    grads: tuple[Tensor, ...],
    some: Tensor,
) -> None:
    """Central differences of the finite values along one random direction."""
    generator = torch.Generator().manual_seed(1)
    ways = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in inputs]
    step = 1e-6
    up, down = (
        run(*(x + sign * step * way for x, way in zip(inputs, ways, strict=True)))[some].sum()
        for sign in (1, -1)
    )
    slope = sum(float((g * w).sum()) for g, w in zip(grads, ways, strict=True))
    _require(
        abs(float(up - down) / (2 * step) - slope) <= 1e-5 * (1 + abs(slope)),
        "the gradient does not match differences of the value",
    )


def _require_others(
    run: Callable[..., Tensor], q: Tensor, k: Tensor, value: Tensor, fits: bool, other: Tensor
) -> None:
    """Row i knows nothing of k_i."""
    for i in value.detach().isfinite().nonzero().flatten().tolist():
        (grad,) = torch.autograd.grad(value[i], k, retain_graph=True, allow_unused=True)
        own = 0.0 if grad is None else float(grad[i].abs().max())
        _require(own < 1e-12, f"the pair ({i}, {i}) is among the negatives: k_{i} has a gradient")
        if fits:
            continue
        moved = k.detach().clone()
        moved[i] = other[i]
        same = torch.isclose(run(q.detach(), moved)[i], value[i].detach(), rtol=1e-9, atol=1e-12)
        _require(bool(same), f"the pair ({i}, {i}) is among the negatives: k_{i} changes row {i}")


def _require_pairs(q: Tensor, k: Tensor, chosen: Tensor, value: Tensor) -> None:
    """A double loop over the pairs that the object says it takes."""
    for i in range(len(q)):
        logits = [
            math.fsum(float(a) * float(b) for a, b in zip(q[i], k[j], strict=True)) / 0.5
            for j in range(len(k))
            if chosen[i, j]
        ]
        expected = math.log(math.fsum(map(math.exp, logits))) if logits else -math.inf
        _require(
            math.isclose(expected, float(value[i]), rel_tol=1e-6, abs_tol=1e-6),
            f"row {i} is {float(value[i]):.6g}, but its pairs sum up to {expected:.6g}",
        )


def _require_raises(loss: Loss, z1: Tensor, z2: Tensor, why: str) -> None:
    wanted = f"{why}: expected a ValueError or TypeError that says what is wrong"
    try:
        loss(z1, z2)
    except (ValueError, TypeError):
        return
    except Exception as error:
        raise AssertionError(f"{wanted}, got {type(error).__name__}.") from error
    raise AssertionError(f"{wanted}.")


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise AssertionError(f"{complaint}.")
