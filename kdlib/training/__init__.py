"""Train and predict, nothing hidden: data are tensors, random numbers come from the caller's generator."""

from kdlib.training.loops import (
    fit,
    fit_patiently,
    one_cycle,
    predict,
    predict_each,
    train_to_the_end,
)
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
