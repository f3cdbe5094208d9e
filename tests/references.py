"""Slow, obvious twins of kdlib's clever functions: read them to see what a function means, never to run it fast."""

import math
import statistics

import mpmath
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


def train_to_the_end(networks, inputs, targets, points, *, steps, rate, momentum):
    """Full-batch gradient descent on half the squared error, all weights of all networks at once.

    Returns their outputs on inputs and points before and after, ``(2, networks, inputs + points)``.
    """
    weights, _ = torch.func.stack_module_state(networks)
    everywhere = torch.cat([inputs, points])

    def outputs(one, x):
        return torch.func.functional_call(networks[0], one, (x,))

    def loss(one):
        return 0.5 * (outputs(one, inputs) - targets).square().sum()

    slope, evaluate = torch.func.vmap(torch.func.grad(loss)), torch.func.vmap(lambda one: outputs(one, everywhere))
    with torch.no_grad():
        weights = {name: weight.detach() for name, weight in weights.items()}
        before, speed = evaluate(weights), {name: torch.zeros_like(weight) for name, weight in weights.items()}
        for _ in range(steps):
            gradients = slope(weights)
            speed = {name: momentum * speed[name] - rate * gradients[name] for name in weights}
            weights = {name: weights[name] + speed[name] for name in weights}
        return torch.stack([before, evaluate(weights)])


def linear_student_by_sgd(phi, initial, loss, *, steps, batch, rate, generator):
    """Weight change of f(x; w0) + phi(x)^T Dw after minibatch SGD on a per-example loss(logits, indices)."""
    change = torch.zeros(phi.shape[1], dtype=phi.dtype)
    for _ in range(steps):
        indices = torch.randperm(len(phi), generator=generator)[:batch]
        logits = (initial[indices] + phi[indices] @ change).requires_grad_()
        (slope,) = torch.autograd.grad(loss(logits, indices).sum(), logits)
        change -= rate * phi[indices].T @ slope
    return change


# ---- losses, models, metrics, training


def distillation_loss(student_logits, teacher_logits, labels, *, soft_ratio, temperature):
    """Eq. 2 of Ji & Zhu by its sums, an example and a class at a time; two classes are the probabilities 1 - s, s."""

    def probabilities(z, T):
        if z.ndim == 0:
            return [1 / (1 + math.exp(z / T)), 1 / (1 + math.exp(-z / T))]
        total = sum(math.exp(value / T) for value in z)
        return [math.exp(value / T) / total for value in z]

    losses = []
    for zs, zt, y in zip(student_logits, teacher_logits, labels, strict=True):
        soft = sum(-p * math.log(q) for p, q in zip(probabilities(zt, temperature), probabilities(zs, temperature)))
        losses.append(soft_ratio * soft - (1 - soft_ratio) * math.log(probabilities(zs, 1)[int(y)]))
    return torch.tensor(losses, dtype=student_logits.dtype)


def ntk_mlp(model, x):
    """Eq. 1 of Ji & Zhu for one input, a neuron at a time."""
    g = {"relu": lambda h: max(h, 0.0), "erf": math.erf}[model.activation]
    values = [float(value) for value in x]
    for layer, (W, b) in enumerate(zip(model.weights, model.biases, strict=True)):
        fed = values if layer == 0 else [g(value) for value in values]
        values = [model.sigma_w * sum(w * v for w, v in zip(row, fed)) / math.sqrt(len(fed))
                  + model.sigma_b * shift for row, shift in zip(W.tolist(), b.tolist())]
    return values[0]


def crop_and_flip(images, *, padding, generator):
    """Shift and mirror one image at a time, with the same draws as the fast way."""
    n, channels, h, w = images.shape
    top, left = (torch.randint(2 * padding + 1, (n,), generator=generator) for _ in range(2))
    mirror = torch.randint(2, (n,), generator=generator)
    out = []
    for i in range(n):
        framed = torch.zeros(channels, h + 2 * padding, w + 2 * padding, dtype=images.dtype)
        framed[:, padding : padding + h, padding : padding + w] = images[i]
        window = framed[:, top[i] : top[i] + h, left[i] : left[i] + w]
        out.append(window.flip(2) if mirror[i] else window)
    return torch.stack(out)


def fit(model, inputs, targets, loss, *, steps, batch_size, learning_rate, weight_decay, momentum, warm_up, generator):
    """Nesterov momentum written out, v = mu v + g and w = w - rate (g + mu v), one parameter at a time."""
    order, velocity, updates = [], {}, 0
    while updates < steps:
        order = torch.randperm(len(inputs), generator=generator).tolist()
        for i in range(0, len(order) - batch_size + 1, batch_size):
            if updates == steps:
                break
            model.zero_grad()
            picked = order[i : i + batch_size]
            logits = model(torch.stack([inputs[j] for j in picked]))
            loss(logits, *[torch.stack([target[j] for j in picked]) for target in targets]).mean().backward()
            climb = warm_up * steps
            share = (updates + 1) / climb if updates + 1 <= climb else (
                (1 + math.cos(math.pi * max(updates - climb, 0) / (steps - climb))) / 2)
            with torch.no_grad():
                for name, w in model.named_parameters():
                    g = w.grad + weight_decay * w
                    velocity[name] = momentum * velocity.get(name, 0) + g
                    w -= learning_rate * share * (g + momentum * velocity[name])
            updates += 1


def transfer_risk(student_logits, teacher_logits):
    """Disagreements counted one by one."""
    count = 0
    for zs, zt in zip(student_logits, teacher_logits, strict=True):
        count += bool(zs * zt < 0) if zs.ndim == 0 else zs.tolist().index(max(zs)) != zt.tolist().index(max(zt))
    return count / len(student_logits)


# ---- logits


def effective_logit(teacher_logit, label, *, soft_ratio, temperature):
    """The root of Ji & Zhu's Eq. 3 by bisection with 50 digits, for 0 < soft_ratio < 1.

    For y = 0 it is sigma(z/T) + kappa sigma(z) = sigma(z_t/T) with kappa = (1 - rho) T / rho; y = 1 is its mirror.
    The root is above the one of the two terms that would alone give half of the right side.
    """
    with mpmath.workdps(50):
        sign = 1 if label == 0 else -1
        zt, rho, T = mpmath.mpf(sign * teacher_logit), mpmath.mpf(soft_ratio), mpmath.mpf(temperature)
        kappa = (1 - rho) * T / rho

        def sigma(x):
            return 1 / (1 + mpmath.exp(-x))

        right = sigma(zt / T)
        low, high = min(zt, zt / T, 0) - 2 * T - abs(mpmath.log(kappa)) - 2, zt
        while high - low > mpmath.mpf(10) ** -19 * max(abs(low), 0.01):
            middle = (low + high) / 2
            low, high = (low, middle) if sigma(middle / T) + kappa * sigma(middle) > right else (middle, high)
        return sign * (low + high) / 2


def correction_logit(teacher_logit, label, *, temperature):
    """delta z_h of Ji & Zhu's Theorem 2 as it is written, with 50 digits."""
    with mpmath.workdps(50):
        zt, T = mpmath.mpf(teacher_logit), mpmath.mpf(temperature)

        def sigma(x):
            return 1 / (1 + mpmath.exp(-x))

        return T**2 * (label - sigma(zt)) / (sigma(zt / T) * sigma(-zt / T))


def weight_change(phi, targets):
    """Eq. 4 in feature space: phi(X) Theta^-1 Dz, for the rows of phi and as many targets."""
    return phi.T @ torch.linalg.solve(phi @ phi.T, targets)


def acute_angle(a, b):
    """Angle in [0, pi/2] of two vectors."""
    return torch.acos(torch.abs(a @ b) / (a.norm() * b.norm()))


def smoothed_slopes(norms, sizes, window):
    """Data inefficiency between neighbouring sizes and its moving average, a number at a time."""
    means = [float(sum(run[n - 1] for run in norms)) / len(norms) for n in sizes]
    slopes = [math.log(b / a) / math.log(m / n) for a, b, n, m in zip(means, means[1:], sizes, sizes[1:])]
    windows = range(len(slopes) - window + 1)
    return ([sum(sizes[i : i + window]) / window for i in windows], [sum(slopes[i : i + window]) / window for i in windows])


def one_sample_risk_bound(angles, n, steps=4001):
    """min over a fine grid of beta of p(beta) + p(pi/2 - beta)^n."""

    def p(beta):
        return float((angles > beta).double().mean())

    return min(p(beta) + p(math.pi / 2 - beta) ** n for beta in torch.linspace(0, math.pi / 2, steps).tolist())


# ---- kernels


def analytic_kernels(x1, x2, *, depth, activation, sigma_w, sigma_b):
    """NNGP and NTK of Ji & Zhu's network by their recursions as they are written, a pair at a time, with 50 digits."""

    def duals(p, q, c):
        """E[g(u) g(v)] and E[g'(u) g'(v)] for (u, v) of variances p, q and covariance c."""
        if activation == "erf":
            r = (1 + 2 * p) * (1 + 2 * q)
            return 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(r)), 4 / mpmath.pi / mpmath.sqrt(r - 4 * c * c)
        if p * q == 0:
            return mpmath.mpf(0), mpmath.mpf(0)
        cosine = max(-1, min(1, c / mpmath.sqrt(p * q)))
        rest = mpmath.pi - mpmath.acos(cosine)
        mean = mpmath.sqrt(p * q) * (mpmath.sin(rest) + rest * cosine) / (2 * mpmath.pi)
        return mean, rest / (2 * mpmath.pi)

    def pair(x, y):
        p, q, c = (sb2 + sw2 * mpmath.fdot(a, b) / len(a) for a, b in ((x, x), (y, y), (x, y)))
        tangent = c
        for _ in range(depth):
            (mean, slope), p, q = duals(p, q, c), sb2 + sw2 * duals(p, p, p)[0], sb2 + sw2 * duals(q, q, q)[0]
            c = sb2 + sw2 * mean
            tangent = c + sw2 * slope * tangent
        return float(c), float(tangent)

    with mpmath.workdps(50):
        sw2, sb2 = mpmath.mpf(sigma_w) ** 2, mpmath.mpf(sigma_b) ** 2
        X1, X2 = ([[mpmath.mpf(value) for value in x] for x in inputs.tolist()] for inputs in (x1, x2))
        values = [[pair(x, y) for y in X2] for x in X1]
    return tuple(torch.tensor(values, dtype=torch.float64).permute(2, 0, 1))


# ---- the synthetic task's teacher


def flow_by_eigenvectors(gram, targets, times):
    """Dual coefficients of the squared error's flow at several times, from every eigenvector of the kernel."""
    M = len(gram)
    rates, V = torch.linalg.eigh(gram / M)
    learned = -torch.expm1(-rates[:, None] * torch.tensor(times, dtype=gram.dtype)) / rates[:, None]
    return V @ (learned * (V.T @ targets)[:, None]) / M


def flow(gram, labels, times, *, loss, scale, step):
    """Outputs of a kernel machine under plain gradient steps of a mean loss, at several times."""
    z, outputs, now = torch.zeros_like(labels), [], 0.0
    for time in times:
        while now < time - step / 2:
            residual = labels - torch.sigmoid(z) if loss == "logistic" else scale * (2 * labels - 1) - z
            z = z + step / len(labels) * gram @ residual
            now += step
        outputs.append(z)
    return torch.stack(outputs, dim=1)


# ---- two-layer networks


def projected_gradient_descent(network, inputs, targets, *, step, radius, steps):
    """One network: autograd's gradient of the mean cross-entropy, then each neuron pulled back into its ball. Outputs a step."""
    outputs = []
    for _ in range(steps):
        f = network(inputs)
        outputs.append(f.detach().clone())
        network.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(f, targets).backward()
        with torch.no_grad():
            network.hidden -= step * network.hidden.grad
            for w, start in zip(network.hidden, network.start):
                away = (w - start).norm().item()
                if away > radius / network.width**0.5:
                    w.copy_(start + (w - start) * (radius / network.width**0.5 / away))
    return torch.stack(outputs)


def margin(inputs, labels, directions):
    """The dual problem by scipy's general solver: the least mean norm over convex weights."""
    from scipy.optimize import minimize

    gates = (directions @ inputs.T > 0).double()

    def mean_norm(q):
        return ((gates * torch.tensor(q) * labels) @ inputs).norm(dim=1).mean().item()

    n = len(inputs)
    found = minimize(mean_norm, [1 / n] * n, bounds=[(0, 1)] * n, constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
                     options={"ftol": 1e-12, "maxiter": 500})
    return found.fun


def margin_interval(inputs, labels, q, directions, confidence):
    """The interval for a margin by its formula, a direction and an input at a time."""
    n, M = len(inputs), len(directions)
    active = [[(z @ x).item() > 0 for x in inputs] for z in directions]
    pulls = [sum(q[i] * labels[i] * inputs[i] * on[i] for i in range(n)) for on in active]
    norms = [g.norm().item() for g in pulls]
    softening = 0.005 * statistics.fmean(norms)
    fields = [g / math.sqrt(norm**2 + softening**2) for g, norm in zip(pulls, norms)]
    tail = (1 - confidence) / 2
    ends = []
    for i in range(n):
        gains = [(labels[i] * (v @ inputs[i])).item() * on[i] for v, on in zip(fields, active)]
        quantile = statistics.NormalDist().inv_cdf(1 - tail / n)
        ends.append(statistics.fmean(gains) - quantile * statistics.pstdev(gains) / math.sqrt(M))
    high = statistics.fmean(norms) + statistics.NormalDist().inv_cdf(1 - tail) * statistics.pstdev(norms) / math.sqrt(M)
    return min(ends), high


def rounds_one_by_one(gram, labels, *, rounds, weight_decay):
    """Outputs after so many rounds of self-distillation of the linearised probe, each round solved from the one before."""
    N, K = labels.shape
    outputs = labels - 1 / K
    for _ in range(rounds):
        outputs = torch.linalg.solve(gram + K * N * weight_decay * torch.eye(N, dtype=gram.dtype), gram @ outputs)
    return outputs + 1 / K


def chain_without(features, targets, left_out, *, rounds, weight_decay):
    """Outputs on one sample after each round of ridge probes, each trained on the targets before it and on all other samples."""
    N, K = targets.shape
    rest = torch.arange(N) != left_out
    x = features[rest]
    y = targets[rest] - 1 / K
    outputs = []
    for _ in range(rounds):
        weights = torch.linalg.solve(x.T @ x + K * N * weight_decay * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)
        outputs.append(features[left_out] @ weights + 1 / K)
        y = x @ weights
    return torch.stack(outputs)


def same_padded_convolution(image, kernel, stride):
    """One image through one filter, padded as TensorFlow's "same" does, a product at a time; image (h, w), kernel (k, k)."""
    k = len(kernel)
    outputs = [math.ceil(length / stride) for length in image.shape]
    before = [max((out - 1) * stride + k - length, 0) // 2 for out, length in zip(outputs, image.shape)]
    result = torch.zeros(outputs, dtype=image.dtype)
    for row in range(outputs[0]):
        for column in range(outputs[1]):
            for a in range(k):
                for b in range(k):
                    i, j = row * stride + a - before[0], column * stride + b - before[1]
                    if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
                        result[row, column] += kernel[a, b] * image[i, j]
    return result


# ---- self-distillation


def refined(given, logits, last, loss, epoch, epochs):
    """Refined labels, the weight and the losses, a sample and a class at a time, as the five losses are written."""
    n, c = given.shape
    agreement = sum(int(logits[i].argmax() == given[i].argmax()) for i in range(n)) / n
    weight = {"plain": 0.0, "fixed soft": 0.2, "last soft": 0.1, "agreeing arg-max": agreement, "fixed arg-max": 0.1,
              "agreeing sharp": 0.9 * agreement, "linear arg-max": epoch / epochs, "harmonic arg-max": 1 - 1 / epoch}[loss]
    labels, losses = torch.zeros_like(given), []
    for i in range(n):
        z = (last if loss == "last soft" else logits)[i].tolist()
        t = 0.5 if loss == "agreeing sharp" else 1.0
        total = sum(math.exp(value / t) for value in z)
        own = [math.exp(value / t) / total for value in z]
        if "arg-max" in loss:
            own = [float(k == z.index(max(z))) for k in range(c)]
        now = logits[i].tolist()
        partition = math.log(sum(math.exp(value) for value in now))
        value = 0.0
        for k in range(c):
            labels[i, k] = (1 - weight) * given[i, k] + weight * own[k]
            if labels[i, k] > 0:
                value += labels[i, k].item() * (math.log(labels[i, k]) - (now[k] - partition))
        losses.append(value)
    return labels, weight, torch.tensor(losses, dtype=given.dtype)


def refine_in_small_steps(gram, given, loss, epochs, time, steps):
    """Self-distillation with the squared error: so many small steps of gradient descent on the samples an epoch."""
    f, outputs, weights = torch.zeros_like(given), [torch.zeros_like(given)], []
    n = len(gram)
    for epoch in range(1, epochs + 1):
        agreement = (f.argmax(1) == given.argmax(1)).double().mean().item()
        weight = {"plain": 0.0, "fixed soft": 0.2, "last soft": 0.1, "agreeing arg-max": agreement, "fixed arg-max": 0.1,
                  "agreeing sharp": 0.9 * agreement, "linear arg-max": epoch / epochs, "harmonic arg-max": 1 - 1 / epoch}[loss]
        own = f
        if "arg-max" in loss:
            own = torch.nn.functional.one_hot(f.argmax(1), f.shape[1]).double()
        if loss == "agreeing sharp":
            squares = f.clamp(min=0) ** 2
            own = squares / squares.sum(1, keepdim=True).clamp(min=1e-300)
        labels = (1 - weight) * given + weight * own
        for _ in range(steps):
            f = f + time / steps / n * gram @ (labels - f)
        outputs.append(f)
        weights.append(weight)
    return torch.stack(outputs), torch.tensor(weights, dtype=given.dtype)


# ---- Zhou et al.


def weighted_soft_label_loss(student, teacher, labels, *, alpha, temperature):
    """Label loss and weighted soft loss, an example and a class at a time."""
    found = []
    for zs, zt, y in zip(student.tolist(), teacher.tolist(), labels.tolist()):
        log_s = [z - math.log(math.fsum(math.exp(w) for w in zs)) for z in zs]
        log_t = [z - math.log(math.fsum(math.exp(w) for w in zt)) for z in zt]
        weight = 1 - math.exp(-log_s[y] / (log_t[y] - 1e-7))
        total = math.fsum(math.exp(w / temperature) for w in zs)
        whole = math.fsum(math.exp(w / temperature) for w in zt)
        soft = -math.fsum(
            math.exp(t / temperature) / whole * math.log(math.exp(s / temperature) / total) for s, t in zip(zs, zt)
        )
        found.append(-log_s[y] + alpha * weight * temperature**2 * soft)
    return torch.tensor(found, dtype=torch.float64)


def bias_variance(logits, true):
    """Noise, bias and variance at one point by their definitions; ``logits`` of the models, ``(M, c)``."""
    logs = torch.log_softmax(logits, dim=1)
    mean = torch.log_softmax(logs.mean(0), dim=0)
    variance = sum((mean.exp() * (mean - one)).sum() for one in logs) / len(logs)
    return -(true * true.log()).sum(), (true * (true.log() - mean)).sum(), variance
