"""The tangent kernel of one finite network, from its gradients."""

import torch
from torch.func import functional_call, grad, vmap

ENTRIES = 2**24  # entries of the Jacobian of one block of inputs: 128 MiB in float64


def empirical_ntk(model, x1, x2=None):
    r"""The tangent kernel of one finite network at its present weights w.

    .. math:: \hat\Theta(x, x') = \nabla_w f(x; w)^\top \nabla_w f(x'; w)

    Sums run in float64. Only the gradients of two blocks of inputs are in memory, at most 2^24 numbers each (or one
    input's); with more blocks than two, gradients are computed again rather than kept.

    Args:
        model: any ``nn.Module`` with one output per input; the parameters that require a gradient are its w.
        x1: inputs ``(n1, ...)`` on the model's device.
        x2: inputs ``(n2, ...)``; ``x1`` if not given, and then half of the work.

    Returns:
        ``(n1, n2)``, in the dtype of the parameters.

    Raises:
        ValueError: another number of outputs than one, no parameter that requires a gradient, or a model in training
            mode whose output for one input depends on the batch or on chance.

    Source: Jacot et al. 2018, Section 4; Ji & Zhu 2020, Section 2 (:math:`\phi(x) = \partial_w f(x; w_0)`).
    """
    weights = {
        name: w.detach() for name, w in model.named_parameters() if w.requires_grad
    }
    if not weights:
        raise ValueError(
            "model must have a parameter that requires a gradient, got none"
        )
    mixing = (
        torch.nn.modules.batchnorm._BatchNorm,
        torch.nn.modules.dropout._DropoutNd,
    )
    if any(
        module.training and isinstance(module, mixing) for module in model.modules()
    ):
        raise ValueError(
            "model must be in eval mode, got batch normalisation or dropout in training mode"
        )

    def output(weights, x):
        z = functional_call(model, weights, (x[None],))
        if z.numel() != 1:
            raise ValueError(
                f"model must have one output per input, got shape {tuple(z.shape)} for one input"
            )
        return z.reshape(())

    def jacobian(x):
        return {
            name: g.flatten(1).double()
            for name, g in vmap(grad(output), in_dims=(None, 0))(weights, x).items()
        }

    first = next(iter(weights.values()))
    size = max(1, ENTRIES // sum(w.numel() for w in weights.values()))
    out = first.new_empty(len(x1), len(x1 if x2 is None else x2))
    for i in range(0, len(x1), size):
        J1 = jacobian(x1[i : i + size])
        for j in range(i if x2 is None else 0, out.shape[1], size):
            J2 = (
                J1
                if x2 is None and i == j
                else jacobian((x1 if x2 is None else x2)[j : j + size])
            )
            tile = sum(J1[name] @ J2[name].T for name in weights)
            if J2 is J1:  # the same to the last bit on both sides of the diagonal
                tile = tile.triu() + tile.triu(1).T
            out[i : i + size, j : j + size] = tile
            if x2 is None:
                out[j : j + size, i : i + size] = tile.T
    return out
