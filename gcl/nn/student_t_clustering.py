"""Soft assignment of nodes to learned cluster centres."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from sklearn.cluster import KMeans
from torch import Tensor, nn

from gcl.checks import SKLEARN_SEEDS, check_count, check_positive, check_seed, shown

EXACT_DIFFERENCES = "donot_use_mm_for_euclid_dist"


class StudentTClustering(nn.Module):
    r"""Memberships by a Student t kernel of the distance to K learnable centres.

        q_ik  ~  (1 + ||z_i - mu_k||^2 / v)^{-(v + 1) / 2},   sum_k q_ik = 1

    Args:
        clusters: K, >= 1.
        in_channels: width of the embeddings.
        v: degrees of freedom, > 0; 1 in the papers. Large v comes close to a Gaussian kernel.

    Shape:
        z `[n, in_channels]` -> `[n, K]`, float32 or wider.

    Raises:
        TypeError: K or in_channels is no whole number.
        ValueError: a number outside its range, z of another width.

    Reference:
        Xie, Girshick and Farhadi, "Unsupervised Deep Embedding for Clustering Analysis" (DEC),
        ICML 2016.

    Example:
        >>> head = StudentTClustering(2, 3)
        >>> head.start(torch.tensor([[0.0, 0, 0], [0.0, 0, 1], [9.0, 0, 0], [9.0, 0, 1]]))
        >>> head(torch.tensor([[9.0, 0, 0.5]])).max() > 0.98
        tensor(True)
    """

    def __init__(self, clusters: int, in_channels: int, v: float = 1.0):
        super().__init__()
        check_count("StudentTClustering", clusters=clusters, in_channels=in_channels)
        check_positive("StudentTClustering", v=v)
        self.v = v
        self.centres = nn.Parameter(torch.empty(clusters, in_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_normal_(self.centres)

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        if not isinstance(z, Tensor):
            raise TypeError(f"StudentTClustering: expected a tensor [n, d], got {shown(z)}.")
        if z.dim() != 2 or z.shape[1] != self.centres.shape[1]:
            raise ValueError(
                f"StudentTClustering: expected embeddings [n, {self.centres.shape[1]}], got "
                f"{list(z.shape)}."
            )
        dtype = torch.promote_types(z.dtype, torch.float32)
        with torch.autocast(z.device.type, enabled=False):
            # From differences, not from products: one far centre would take the others' digits.
            z, centres = z.to(dtype), self.centres.to(dtype)
            if torch.compiler.is_exporting():  # ONNX knows no such distances
                squared = (z[:, None] - centres).square().sum(2)
            else:
                squared = torch.cdist(z, centres, compute_mode=EXACT_DIFFERENCES).square()
            log_kernel = -(self.v + 1) / 2 * torch.log1p(squared / self.v)
            return log_kernel.softmax(dim=1)

    @torch.no_grad()
    def start(self, z: Float[Tensor, "n d"], *, seed: int = 0, restarts: int = 20) -> None:
        """Move the centres to those of k-means on the embeddings; no global generator is touched.

        With fewer different rows than clusters, the surplus centres stand far away from all rows,
        where nobody belongs to them and none is pulled.

        Args:
            z: embeddings, finite.
            seed: of k-means.
            restarts: starts, of which the best counts, >= 1; 20 in the papers.

        Raises:
            ValueError: z has no rows, another width, or holds NaN or infinity.
        """
        check_count("StudentTClustering", restarts=restarts)
        check_seed("StudentTClustering", seed, least=0, below=SKLEARN_SEEDS)
        rows = z.detach().cpu().to(torch.promote_types(z.dtype, torch.float32)).numpy()
        if rows.ndim != 2 or rows.shape[1] != self.centres.shape[1] or not len(rows):
            raise ValueError(
                f"StudentTClustering: expected embeddings [n, {self.centres.shape[1]}] with rows "
                f"to cluster, got {list(z.shape)}."
            )
        if not np.isfinite(rows).all():
            raise ValueError("StudentTClustering: the embeddings hold NaN or infinity.")
        wanted = len(self.centres)
        distinct = np.unique(rows, axis=0)
        if len(distinct) <= wanted:
            centres = _spread_out(distinct, wanted)
        else:
            centres = KMeans(wanted, n_init=restarts, random_state=seed).fit(rows).cluster_centers_
        self.centres.copy_(torch.from_numpy(centres).to(self.centres))

    def extra_repr(self) -> str:
        clusters, width = self.centres.shape
        return f"clusters={clusters}, in_channels={width}, v={self.v:g}"


def _spread_out(points: np.ndarray, wanted: int) -> np.ndarray:
    """The points themselves, and further ones ever farther away from all of them."""
    reach = 10 * (1 + float(np.ptp(points, axis=0).max()))
    far = points.max(axis=0) + reach * np.arange(1, wanted - len(points) + 1)[:, None]
    return np.concatenate([points, far]).astype(points.dtype)
