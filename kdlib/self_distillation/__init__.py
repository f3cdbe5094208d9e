"""What a network makes of labels when its own outputs become the next targets."""

from kdlib.self_distillation.averaging import label_averaging
from kdlib.self_distillation.recursion import refine_by_flow
from kdlib.self_distillation.refining import LOSSES, refined_labels, refining_loss
from kdlib.self_distillation.tuning import held_out_outputs, mixing_weight, new_outputs

__all__ = [
    "LOSSES",
    "held_out_outputs",
    "label_averaging",
    "mixing_weight",
    "new_outputs",
    "refine_by_flow",
    "refined_labels",
    "refining_loss",
]
