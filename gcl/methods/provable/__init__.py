"""POT: provable training, from the budget of a view to the bound of every node."""

from gcl.methods.provable.compactness import compactness
from gcl.methods.provable.pot import POT, pot

__all__ = ["POT", "compactness", "pot"]
