"""Contrastive objectives: two `[n, d]` matrices -> a scalar; their negatives and weights."""

from gcl.losses.adaptive_contrast import AdaptiveContrast
from gcl.losses.alignment_uniformity import AlignmentUniformity, alignment, uniformity
from gcl.losses.auc import PairwiseAUC
from gcl.losses.barlow_twins import BarlowTwins
from gcl.losses.bootstrap import BootstrapCosine
from gcl.losses.cacr import CACR
from gcl.losses.cca_ssg import CCASSG
from gcl.losses.cluster_contrast import ClusterContrast
from gcl.losses.cwcl import CWCL
from gcl.losses.dcl import DCL, DCLW
from gcl.losses.decoupled_uniformity import DecoupledUniformity
from gcl.losses.group_discrimination import GroupDiscrimination
from gcl.losses.hard_negative import HardNegativeInfoNCE
from gcl.losses.infonce import InfoNCE
from gcl.losses.isogclr import ISogCLR
from gcl.losses.jsd import JSD
from gcl.losses.kernel_infonce import KernelInfoNCE
from gcl.losses.local_global import LocalGlobalJSD
from gcl.losses.negatives import (
    ClusterNegatives,
    FilteredNegatives,
    HardestNegatives,
    MetaNodeNegatives,
    MixedNegatives,
    RandomNegatives,
)
from gcl.losses.ns4gc import NS4GC
from gcl.losses.pairwise_views import PairwiseViews
from gcl.losses.poly_view import PolyView
from gcl.losses.progcl import ProGCL
from gcl.losses.proto_nce import ProtoNCE
from gcl.losses.scaled_cosine_error import ScaledCosineError
from gcl.losses.self_training import SelfTraining
from gcl.losses.sigmoid import Sigmoid
from gcl.losses.sketched import Sketched
from gcl.losses.sugrl import SUGRL
from gcl.losses.swav import SwAV
from gcl.losses.team_up import TeamUp
from gcl.losses.temperature import AdaptiveTemperature
from gcl.losses.triplet import Triplet
from gcl.losses.vicreg import VICReg
from gcl.losses.weights import (
    PairNetwork,
    cluster_pairs,
    rank_one,
    without_pairs,
)

__all__ = [
    "CACR",
    "CCASSG",
    "CWCL",
    "DCL",
    "DCLW",
    "JSD",
    "NS4GC",
    "SUGRL",
    "AdaptiveContrast",
    "AdaptiveTemperature",
    "AlignmentUniformity",
    "BarlowTwins",
    "BootstrapCosine",
    "ClusterContrast",
    "ClusterNegatives",
    "DecoupledUniformity",
    "FilteredNegatives",
    "GroupDiscrimination",
    "HardNegativeInfoNCE",
    "HardestNegatives",
    "ISogCLR",
    "InfoNCE",
    "KernelInfoNCE",
    "LocalGlobalJSD",
    "MetaNodeNegatives",
    "MixedNegatives",
    "PairNetwork",
    "PairwiseAUC",
    "PairwiseViews",
    "PolyView",
    "ProGCL",
    "ProtoNCE",
    "RandomNegatives",
    "ScaledCosineError",
    "SelfTraining",
    "Sigmoid",
    "Sketched",
    "SwAV",
    "TeamUp",
    "Triplet",
    "VICReg",
    "alignment",
    "cluster_pairs",
    "rank_one",
    "uniformity",
    "without_pairs",
]
