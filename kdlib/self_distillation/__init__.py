"""Labels from the network itself."""

from kdlib.self_distillation.recursion import refine_by_flow
from kdlib.self_distillation.refining import LOSSES, refined_labels, refining_loss

__all__ = ["LOSSES", "refine_by_flow", "refined_labels", "refining_loss"]
