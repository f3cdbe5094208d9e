"""The scalars and curves that the papers plot."""

from kdlib.metrics.angles import (
    angle_distribution,
    feature_angles,
    one_sample_risk_bound,
    transfer_risk_bound,
)
from kdlib.metrics.bias_variance import Decomposition, decompose
from kdlib.metrics.gain import HardLabelGain, hard_label_gain
from kdlib.metrics.inefficiency import data_inefficiency
from kdlib.metrics.margins import margin
from kdlib.metrics.risk import transfer_risk

__all__ = [
    "Decomposition",
    "HardLabelGain",
    "angle_distribution",
    "data_inefficiency",
    "decompose",
    "feature_angles",
    "hard_label_gain",
    "margin",
    "one_sample_risk_bound",
    "transfer_risk",
    "transfer_risk_bound",
]
