"""What a network makes of labels when its own outputs become the next one's targets."""

from kdlib.self_distillation.averaging import label_averaging
from kdlib.self_distillation.tuning import held_out_outputs, mixing_weight, new_outputs

__all__ = ["label_averaging", "held_out_outputs", "mixing_weight", "new_outputs"]
