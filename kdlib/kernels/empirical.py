"""The tangent kernel of one finite network, from its gradients."""

import torch
from torch.func import functional_call, grad, vmap

# Entries of the Jacobian of one block of inputs: 128 MiB in float64.
ENTRIES = 2**24


def empirical_ntk(model, x1, x2=None):
    r"""The tangent kernel of one finite network at its present weights w.

    .. math:: \hat\Theta(x, x') = \nabla_w f(x; w)^\top \nabla_w f(x'; w)

    Sums run in float64. Only the gradients of two blocks of inputs are in memory, at
    most 2^24 numbers each (or the gradient of one input). With more blocks than two,
    gradients are computed again rather than kept.

    Args:
        model: any ``nn.Module`` with one output per input; the parameters that require
            a gradient are its w.
        x1: inputs ``(n1, ...)`` on the model's device.
        x2: inputs ``(n2, ...)``; ``x1`` if not given, and then half of the work.

    Returns:
        ``(n1, n2)``, in the dtype of the parameters.

    Raises:
        ValueError: another number of outputs than one, no parameter that requires a
            gradient, or a model in training mode whose output for one input depends on
            the batch or on chance.

    Example:
        The gradient of a linear model is its input, followed by 1 for the bias:

        >>> from kdlib import kernels
        >>> model = torch.nn.Linear(2, 1)
        >>> kernels.empirical_ntk(model, torch.tensor([[1.0, 2.0], [3.0, 0.0]]))
        tensor([[ 6.,  4.],
                [ 4., 10.]])

    Source: Jacot et al. 2018, Section 4; Ji & Zhu 2020, Section 2
    (:math:`\phi(x) = \partial_w f(x; w_0)`).
    """
    weights = {
        name: w.detach() for name, w in model.named_parameters() if w.requires_grad
    }
    _check(model, weights)
    symmetric = x2 is None
    columns = x1 if symmetric else x2
    first_weight = next(iter(weights.values()))
    out = first_weight.new_empty(len(x1), len(columns))
    size = max(1, ENTRIES // sum(w.numel() for w in weights.values()))
    for i in range(0, len(x1), size):
        J1 = _jacobian(model, weights, x1[i : i + size])
        for j in range(i if symmetric else 0, len(columns), size):
            if symmetric and i == j:
                J2 = J1
            else:
                J2 = _jacobian(model, weights, columns[j : j + size])
            tile = sum(J1[name] @ J2[name].T for name in weights)
            if J2 is J1:
                # The same to the last bit on both sides of the diagonal.
                tile = tile.triu() + tile.triu(1).T
            out[i : i + size, j : j + size] = tile
            if symmetric:
                out[j : j + size, i : i + size] = tile.T
    return out


def _check(model, weights):
    """Raise ValueError where the gradient of one input is not defined by itself."""
    if not weights:
        raise ValueError(
            "model must have a parameter that requires a gradient, got none"
        )
    mixing = (
        torch.nn.modules.batchnorm._BatchNorm,
        torch.nn.modules.dropout._DropoutNd,
    )
    for module in model.modules():
        if module.training and isinstance(module, mixing):
            raise ValueError(
                "model must be in eval mode, got batch normalisation or dropout in "
                "training mode"
            )


def _jacobian(model, weights, x):
    """The gradients for some inputs, weight name -> ``(n, p)`` in float64."""

    def output(weights, one):
        """The output for one input, a scalar."""
        z = functional_call(model, weights, (one[None],))
        if z.numel() != 1:
            raise ValueError(
                "model must have one output per input, got shape "
                f"{tuple(z.shape)} for one input"
            )
        return z.reshape(())

    gradients = vmap(grad(output), in_dims=(None, 0))(weights, x)
    return {name: g.flatten(1).double() for name, g in gradients.items()}
