"""What a network makes of labels when its own outputs become the next one's targets."""

from kdlib.self_distillation.averaging import label_averaging

__all__ = ["label_averaging"]
