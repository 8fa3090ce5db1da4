"""What every loss says of its options: in its signature, in its docstring, and in its errors."""

import inspect

import pytest
from torch import nn

import gcl
from gcl.losses.cwcl import CWCL
from gcl.losses.dcl import DCLW
from gcl.losses.infonce import InfoNCE
from gcl.losses.kernel_infonce import KernelInfoNCE
from gcl.losses.negatives import HardestNegatives, MetaNodeNegatives
from gcl.losses.progcl import ProGCL
from gcl.losses.softmax import SoftmaxLoss
from gcl.losses.team_up import TeamUp

CLASSES = [
    part for part in map(gcl.losses.__dict__.get, gcl.losses.__all__) if inspect.isclass(part)
]
EVERYWHERE = {"implementation", "tile", "precision"}


@pytest.mark.parametrize("part", CLASSES, ids=lambda part: part.__name__)
def test_a_misspelt_option_is_an_error_of_the_class_itself(part):
    with pytest.raises(TypeError, match=rf"^{part.__name__}\b.*'temprature'"):
        part(temprature=3)


@pytest.mark.parametrize("part", CLASSES, ids=lambda part: part.__name__)
def test_the_signature_lists_what_the_docstring_explains(part):
    own = part.__init__ is not nn.Module.__init__  # that one takes anything, and refuses it later
    parameters = inspect.signature(part).parameters if own else {}
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters.values())
    lines = inspect.getdoc(part).splitlines()
    start = lines.index("Args:") + 1 if "Args:" in lines else 0
    explained = []
    for line in lines[start:] if start else []:
        if line and not line.startswith(" "):
            break
        if line.startswith("    ") and not line.startswith("     ") and ":" in line:
            explained.append(line.split(":")[0].strip())
    assert explained == list(parameters)


def test_numerics_are_on_no_signature():
    for room in (gcl.losses, gcl.ops):
        for name in set(room.__all__) - {"tiling"}:
            parameters = inspect.signature(getattr(room, name)).parameters
            assert not EVERYWHERE & set(parameters), name


@pytest.mark.parametrize(
    ("kind", "fixed"),
    [
        (kind, name)
        for kind in (KernelInfoNCE, ProGCL, TeamUp)
        for name in ("similarity", "negatives")
    ]
    + [(CWCL, name) for name in ("intra", "symmetric", "positives", "margin", "negatives")],
)
def test_what_a_loss_fixes_is_no_option_of_it(kind, fixed):
    with pytest.raises(TypeError, match=rf"^{kind.__name__}\b.*'{fixed}'"):
        kind(**{fixed: None})


def test_representations_name_what_is_not_usual():
    usual = "tau=0.4, intra=True, symmetric=True"
    assert repr(InfoNCE()) == f"InfoNCE({usual})"
    assert repr(DCLW(sigma=0.2, similarity="dot")) == f"DCLW({usual}, sigma=0.2, similarity='dot')"
    shown = repr(InfoNCE(0.3, intra=False, negatives=HardestNegatives(4), reduction="none"))
    assert shown == (
        "InfoNCE(tau=0.3, intra=False, symmetric=True, negatives=HardestNegatives(4, skip=0), "
        "reduction='none')"
    )
    inside = repr(InfoNCE(negatives=MetaNodeNegatives(3)))
    assert inside.count("MetaNodeNegatives") == 1  # PyTorch prints modules as parts
    assert repr(TeamUp(t0=7)) == f"TeamUp({usual}, t0=7)"


def test_the_representation_of_a_loss_of_your_own():
    class Mine(SoftmaxLoss):
        def __init__(self, tau=0.4, *, sharp=1.0, unused=0):
            super().__init__(tau)
            self.sharp = sharp

        def combine_logits(self, similarity, negative, tau):
            return negative - self.sharp * similarity / tau, negative.isfinite()

    assert repr(Mine(sharp=2.0, unused=3)) == "Mine(tau=0.4, intra=True, symmetric=True, sharp=2.0)"
