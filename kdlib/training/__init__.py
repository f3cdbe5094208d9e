"""Train and predict: data are tensors, the caller's generator draws random numbers."""

from kdlib.training.loops import fit, fit_patiently, one_cycle, train_to_the_end
from kdlib.training.prediction import predict, predict_each
from kdlib.training.projected import projected_gradient_descent

__all__ = [
    "fit",
    "fit_patiently",
    "one_cycle",
    "predict",
    "predict_each",
    "projected_gradient_descent",
    "train_to_the_end",
]
