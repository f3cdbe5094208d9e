"""Slow, obvious twins of kdlib's clever functions: read them to see what a function means, never to run it fast."""

import torch


# ---- linearized


def weight_norm(gram, targets):
    """Norm of the least-norm weight change that fits the targets, by one dense solve."""
    return (targets * torch.linalg.solve(gram, targets)).sum(0).sqrt()


def student_outputs(cross_gram, gram, targets):
    """Output changes of the least-norm student on test points, by one dense solve."""
    return cross_gram @ torch.linalg.solve(gram, targets)


def features(model, inputs):
    """phi(X): the gradient of a scalar-output model by its weights, an input at a time; (n, p)."""
    rows = [torch.autograd.grad(model(x), list(model.parameters())) for x in inputs]
    return torch.stack([torch.cat([gradient.flatten() for gradient in row]) for row in rows])


def train_to_the_end(model, inputs, targets, *, steps, rate, momentum):
    """Full-batch gradient descent on half the squared error, all weights; the model is changed."""
    optimiser = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    for _ in range(steps):
        optimiser.zero_grad()
        (0.5 * (model(inputs) - targets).square().sum()).backward()
        optimiser.step()
    return (model(inputs) - targets).detach().abs().max()


def linear_student_by_sgd(phi, initial, loss, *, steps, batch, rate, generator):
    """Weight change of f(x; w0) + phi(x)^T Dw after minibatch SGD on a per-example loss(logits, indices)."""
    change = torch.zeros(phi.shape[1], dtype=phi.dtype)
    for _ in range(steps):
        indices = torch.randperm(len(phi), generator=generator)[:batch]
        logits = (initial[indices] + phi[indices] @ change).requires_grad_()
        (slope,) = torch.autograd.grad(loss(logits, indices).sum(), logits)
        change -= rate * phi[indices].T @ slope
    return change
