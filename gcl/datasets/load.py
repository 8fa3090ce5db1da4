"""Every data set behind one name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from torch_geometric.datasets import Amazon, Coauthor, Planetoid, WikiCS

from gcl.checks import as_path
from gcl.contracts import Graph
from gcl.datasets.digits import digits
from gcl.datasets.graph_set import GraphSet
from gcl.datasets.hetero import SCHEMAS, read_hetero
from gcl.datasets.hetero_sbm import hetero_sbm_with_splits
from gcl.datasets.karate import karate
from gcl.datasets.npz import read_npz
from gcl.datasets.planetoid import PARTS, read_planetoid
from gcl.datasets.sbm import sbm
from gcl.datasets.source import Source, resolve_root
from gcl.datasets.tu import read_tu
from gcl.datasets.wikics import read_wikics
from gcl.graphs.validate import validate_graph
from gcl.names import did_you_mean


def load(name: str, root: str | os.PathLike[str] | None = None) -> Graph | GraphSet:
    """A data set by its name, from files on this machine or from its publisher.

    A graph, or for graph-level tasks ("mutag", "proteins", ...) a set of graphs that a `DataLoader`
    takes, see `gcl.datasets.GraphSet`.

    Files are looked for below `root`, else `$GCL_DATA`, else `~/.cache/gcl`, in the folders of
    PyG's data sets (`planetoid/Cora/raw`, ...; see `DATASETS[name].folder`). Missing ones are
    downloaded there; nothing else is written, and nothing is unpickled that could run code.
    Features come as published, in float32 and not normalised; sets of graphs have one-hot node
    labels, or degrees where there are none.

    Args:
        name: one of `names()`, in any case, with `-` or `_`.
        root: the folder of all data sets.

    Raises:
        TypeError: if name is no string.
        ValueError: if the name is unknown, or a file is broken.
        FileNotFoundError: if files are missing and cannot be downloaded.

    Example:
        >>> load("karate")
        Data(x=[34, 34], edge_index=[2, 156], y=[34])
    """
    if not isinstance(name, str):
        raise TypeError(f"load: name must be a string such as 'cora', got {type(name).__name__}.")
    if root is not None:
        as_path("load", root)
    key = name.lower().replace("_", "-")
    if key not in DATASETS:
        raise ValueError(
            f"load: unknown data set {name!r}; {did_you_mean(key, DATASETS)}Known are "
            f"{', '.join(DATASETS)}."
        )
    source = DATASETS[key]
    folder = source.fetch(key, resolve_root(root))
    data = source.read(folder)
    if not isinstance(data, GraphSet):
        try:
            validate_graph(data)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"load: the files of {key} in {folder} hold no sound graph ({error}); replace them "
                "with the originals."
            ) from error
    return data


def names() -> list[str]:
    """The names that `load` knows.

    Example:
        >>> "cora" in names()
        True
    """
    return list(DATASETS)


def _planetoid(name: str, about: str) -> Source:
    return Source(
        about=about,
        origin="Yang et al., ICML 2016 (kimiyoung/planetoid)",
        read=partial(read_planetoid, name=name.lower()),
        folder=f"planetoid/{name}/raw",
        files=tuple(f"ind.{name.lower()}.{part}" for part in PARTS),
        url=Planetoid.url,
    )


def _pitfalls(folder: str, file: str, url: str, about: str) -> Source:
    return Source(
        about=about,
        origin="Shchur et al., 2018 (shchur/gnn-benchmark)",
        read=lambda raw: read_npz(raw / file),
        folder=folder,
        files=(file,),
        url=url.rstrip("/"),
    )


def _hetero(name: str, about: str, origin: str) -> Source:
    return Source(
        about=about,
        origin=origin,
        read=partial(read_hetero, schema=SCHEMAS[name]),
        folder=f"hetero/{name}",
        files=SCHEMAS[name].files,
        hetero=True,
    )


# With max_degree 0 every node has the same feature, the number 1.
def _tu(name: str, about: str, *, labels: bool = True, max_degree: int = 0) -> Source:
    parts = ("A", "graph_indicator", "graph_labels", *(("node_labels",) if labels else ()))
    return Source(
        about=about,
        origin="Morris et al., 2020 (TUDataset)",
        read=partial(read_tu, name=name, max_degree=max_degree),
        folder=f"tu/{name}/raw",
        files=tuple(f"{name}_{part}.txt" for part in parts),
        graphs=True,
    )


def _embedded(
    make: Callable[[], Graph], about: str, origin: str, *, hetero: bool = False
) -> Source:
    return Source(about=about, origin=origin, read=lambda _: make(), hetero=hetero)


DATASETS: Mapping[str, Source] = MappingProxyType(
    {
        "cora": _planetoid("Cora", "2,708 papers, 7 classes, citations; public split"),
        "citeseer": _planetoid("CiteSeer", "3,327 papers, 6 classes, citations; public split"),
        "pubmed": _planetoid("PubMed", "19,717 papers, 3 classes, citations; public split"),
        "computers": _pitfalls(
            "amazon/Computers/raw",
            "amazon_electronics_computers.npz",
            Amazon.url,
            "13,752 products, 10 classes, bought together",
        ),
        "photo": _pitfalls(
            "amazon/Photo/raw",
            "amazon_electronics_photo.npz",
            Amazon.url,
            "7,650 products, 8 classes, bought together",
        ),
        "cs": _pitfalls(
            "coauthor/CS/raw",
            "ms_academic_cs.npz",
            Coauthor.url,
            "18,333 authors, 15 classes, co-authorship",
        ),
        "physics": _pitfalls(
            "coauthor/Physics/raw",
            "ms_academic_phy.npz",
            Coauthor.url,
            "34,493 authors, 5 classes, co-authorship",
        ),
        "wikics": Source(
            about="11,701 articles, 10 classes, links; 20 public splits",
            origin="Mernyei and Cangea, 2020 (pmernyei/wiki-cs-dataset)",
            read=lambda raw: read_wikics(raw / "data.json"),
            folder="wikics/raw",
            files=("data.json",),
            url=WikiCS.url,
        ),
        # The copy on the net stores its arrays as pickles, so there is no address.
        "acm-coauthor": Source(
            about="3,025 papers, 3 classes, shared authors; the ACM of graph clustering",
            origin="Wang et al., WWW 2019; Bo et al., WWW 2020",
            read=lambda raw: read_npz(raw / "acm.npz"),
            folder="npz",
            files=("acm.npz",),
        ),
        "acm": _hetero(
            "acm",
            "4,019 papers, 3 classes, with authors and subjects; splits of 20, 40, 60 a class",
            "Wang et al., KDD 2021; features of authors Yu et al., SDM 2023 (jianxiangyu/MEOW)",
        ),
        "dblp": _hetero(
            "dblp",
            "4,057 authors, 4 classes, with papers, conferences and terms; the same splits",
            "Wang et al., KDD 2021; other features Yu et al., SDM 2023 (jianxiangyu/MEOW)",
        ),
        "aminer": _hetero(
            "aminer",
            "6,564 papers, 4 classes, with authors and references; no features; the same splits",
            "Wang et al., KDD 2021 (jianxiangyu/MEOW)",
        ),
        "imdb": _hetero(
            "imdb",
            "4,275 movies, 3 classes, with actors, directors and keywords; the same splits",
            "Yu et al., SDM 2023 (jianxiangyu/MEOW)",
        ),
        # The collection is published as archives, which are not opened here: no address.
        "mutag": _tu("MUTAG", "188 molecules, 2 classes, mutagenic or not"),
        "proteins": _tu("PROTEINS", "1,113 proteins, 2 classes, enzyme or not"),
        "nci1": _tu("NCI1", "4,110 molecules, 2 classes, active against lung cancer or not"),
        "dd": _tu("DD", "1,178 proteins, 2 classes, enzyme or not; 284 nodes on average"),
        "imdb-binary": _tu(
            "IMDB-BINARY",
            "1,000 ego networks of actors, 2 classes, genre; degrees as features",
            labels=False,
            max_degree=135,  # the largest there is
        ),
        "reddit-binary": _tu(
            "REDDIT-BINARY",
            "2,000 threads, 2 classes, discussion or questions; degrees up to 63 as features",
            labels=False,
            max_degree=63,
        ),
        "imdb-binary-constant": _tu(
            "IMDB-BINARY", "the same with the number 1 as the only feature", labels=False
        ),
        "reddit-binary-constant": _tu(
            "REDDIT-BINARY", "the same with the number 1 as the only feature", labels=False
        ),
        "digits": _embedded(
            digits, "1,797 handwritten digits, 10 classes, 3 nearest neighbours", "scikit-learn"
        ),
        "karate": _embedded(karate, "34 members of a club, 4 classes, friendship", "Zachary, 1977"),
        "sbm": _embedded(
            sbm, "1,000 nodes, 4 classes; gcl.datasets.sbm for other sizes", "random, seed 0"
        ),
        "hetero-sbm": _embedded(
            hetero_sbm_with_splits,
            "1,000 papers, 3 classes, with authors and subjects; splits of 20, 40, 60 a class; "
            "gcl.datasets.hetero_sbm for other sizes",
            "random, seed 0",
            hetero=True,
        ),
    }
)
"""What `load` knows: name -> `Source`."""
