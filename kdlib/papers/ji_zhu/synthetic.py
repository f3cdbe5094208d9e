"""The synthetic task of Ji & Zhu: inputs, Gaussian mixtures, a wide teacher with its
stopping epochs, a wide student.

What the paper states is the mixture's formula; widths, amplitudes, inputs and the
teacher's network were in an appendix that is not published. The defaults here are what
the book's calibration chapter found.
"""

from typing import NamedTuple

import torch
from torch import nn

from kdlib import kernels, linearized, memory, models

#: Standard deviation of every input coordinate.
SPREAD = 5.0
#: Standard deviation of the truth's amplitudes in Figs. 2, 4 and 5.
AMPLITUDE = 4.8
#: Flow time in one epoch of the teacher.
RATE = 1.2
#: Logits to which the squared error draws the teacher.
SCALE = 3.0
#: Laws of the inputs.
LAWS = ("normal", "uniform")
#: Losses of the teacher.
LOSSES = ("squared", "logistic")
# rows of a kernel or a hidden layer held at a time
BLOCK = 1024
# bytes of a float64
NUMBER = 8


class Student(NamedTuple):
    """Inputs ``x`` of one run, the student's ``initial`` outputs on them, and the
    ``linear`` student of their kernel."""

    x: torch.Tensor
    initial: torch.Tensor
    linear: linearized.LinearizedStudent


def inputs(n, dimension=2, *, law="normal", spread=SPREAD, generator):
    """Inputs of the synthetic task, drawn from N(0, 25 I).

    Args:
        n: number of samples, at least 1.
        dimension: d, at least 1.
        law: ``normal``, or ``uniform`` on the square of the same variance.
        spread: standard deviation of each coordinate, > 0.
        generator: draws them; they live on its device.

    Returns:
        float64 tensor ``(n, d)``.

    Raises:
        ValueError: n or the dimension is below 1, spread is not > 0, or the law is not
            known.

    Source: Ji & Zhu 2020, Section S4, not published; calibrated.
    """
    if min(n, dimension) < 1 or not spread > 0:
        raise ValueError(
            "n and dimension must be at least 1 and spread > 0, got "
            f"{n}, {dimension} and {spread}"
        )
    if law not in LAWS:
        raise ValueError(f"law must be one of {', '.join(LAWS)}, got {law!r}")
    options = {
        "generator": generator,
        "device": generator.device,
        "dtype": torch.float64,
    }
    if law == "uniform":
        return 12**0.5 * spread * (torch.rand(n, dimension, **options) - 0.5)
    return spread * torch.randn(n, dimension, **options)


class GaussianMixture(nn.Module):
    r"""The teacher function of q Gaussian modes.

    .. math:: z(x) = \sum_{j=1}^q A_j \exp(-\|x - x_j\|^2 / \sigma_j^2)

    Centres are drawn like inputs, amplitudes from N(0, a²), and widths evenly from
    :math:`[r w, w]` with :math:`w = w_0 (q / 22)^{-\gamma}`: one law for every q.

    Args:
        modes: number of modes q, at least 1.
        dimension: d of the inputs.
        amplitude: a, > 0.
        width: :math:`w_0`, the largest width of 22 modes, > 0.
        shrink: :math:`\gamma`, how widths shrink as modes are added, >= 0.
        narrowest: r, in [0, 1]; 1 gives every mode one width.
        law: of the centres, see :func:`inputs`.
        spread: of the centres.
        generator: draws the mixture; it lives on its device.

    Raises:
        ValueError: a value out of range.

    Source: Ji & Zhu 2020, Section 4; the laws of A, x and σ are in Section S4, not
    published; calibrated.
    """

    def __init__(
        self,
        modes,
        *,
        dimension=2,
        amplitude=1.6,
        width=4.1,
        shrink=0.25,
        narrowest=0.25,
        law="normal",
        spread=SPREAD,
        generator,
    ):
        super().__init__()
        positive = modes >= 1 and amplitude > 0 and width > 0 and shrink >= 0
        if not positive or not 0 <= narrowest <= 1:
            raise ValueError(
                "modes must be >= 1, amplitude and width > 0, shrink >= 0 and "
                "narrowest in [0, 1]; got "
                f"{modes}, {amplitude}, {width}, {shrink} and {narrowest}"
            )
        options = {
            "generator": generator,
            "device": generator.device,
            "dtype": torch.float64,
        }
        # the order of the draws is part of the task: centres, amplitudes, widths
        centres = inputs(modes, dimension, law=law, spread=spread, generator=generator)
        amplitudes = amplitude * torch.randn(modes, **options)
        share = narrowest + (1 - narrowest) * torch.rand(modes, **options)
        self.register_buffer("centres", centres)
        self.register_buffer("amplitudes", amplitudes)
        self.register_buffer("widths", width * (modes / 22) ** -shrink * share)

    def forward(self, x):
        """Logits of the mixture.

        Args:
            x: inputs, ``(n, d)``.

        Returns:
            float64 tensor ``(n,)``.
        """
        distances = torch.cdist(
            x, self.centres, compute_mode="donot_use_mm_for_euclid_dist"
        )
        return (distances / self.widths).square_().neg_().exp_() @ self.amplitudes


class WideTeacher(nn.Module):
    r"""An infinitely wide network trained on M labelled inputs, stopped at several
    epochs.

    Gradient flow in the kernel's space, from an output of zero, with time
    :math:`s = \mathrm{rate} \cdot \mathrm{epoch}`:

    .. math::
        z_t(x) = \Theta(x, X)\, a(s), \qquad
        \dot a = \frac1M \bigl(a_0 (2y - 1) - \Theta(X, X)\, a\bigr)
        \quad \text{or} \quad
        \dot a = \frac1M \bigl(y - \sigma(\Theta(X, X)\, a)\bigr)

    The first, the squared error to logits of :math:`\pm a_0`, is
    :func:`kdlib.linearized.gradient_flow`; the second, the logistic loss, is
    :func:`kdlib.linearized.logistic_flow`.

    Args:
        x: inputs, ``(M, d)``.
        labels: 0 or 1, ``(M,)``.
        epochs: stopping epochs, growing, > 0.
        loss: ``squared`` or ``logistic``.
        scale: :math:`a_0` of the squared error, > 0.
        rate: flow time of one epoch, > 0.
        depth: hidden layers.

    Raises:
        ValueError: shapes, labels, epochs, loss, scale or rate out of range.
        MemoryError: the kernel of the M samples does not fit.

    Source: Ji & Zhu 2020, Section 4.1 and Fig. 4 middle; network, loss and training are
    not published, the kernel limit is ours; Jacot et al. 2018, Section 5, for the
    closed form.
    """

    def __init__(
        self, x, labels, epochs, *, loss="squared", scale=SCALE, rate=RATE, depth=2
    ):
        super().__init__()
        times = torch.as_tensor(epochs, dtype=torch.float64, device=x.device) * rate
        binary = ((labels == 0) | (labels == 1)).all()
        if x.ndim != 2 or labels.shape != x.shape[:1] or not binary:
            raise ValueError(
                "x must have shape (M, d) and labels, each 0 or 1, (M,); got "
                f"{tuple(x.shape)} and {tuple(labels.shape)}"
            )
        if times.ndim != 1 or not len(times) or not _grow_from_zero(times):
            raise ValueError(
                "epochs must grow from above 0, and rate be above 0; got "
                f"{list(epochs)} and {rate}"
            )
        if loss not in LOSSES or not scale > 0:
            raise ValueError(
                f"loss must be one of {', '.join(LOSSES)} and scale > 0, got "
                f"{loss!r} and {scale}"
            )
        memory.require(
            NUMBER * len(x) ** 2, x.device, f"the kernel of M = {len(x):,} samples"
        )
        self.depth = depth
        self.register_buffer("x", x.double())
        gram = kernels.ntk(self.x, depth=depth)
        labels = labels.to(self.x)
        if loss == "logistic":
            duals = linearized.logistic_flow(gram, labels, times)
        else:
            duals = linearized.gradient_flow(gram, scale * (2 * labels - 1), times)
        self.register_buffer("duals", duals)

    def forward(self, x):
        """Logits of the network at its k stopping epochs.

        Args:
            x: inputs, ``(n, d)``.

        Returns:
            float64 tensor ``(n, k)``.
        """
        outputs = []
        for block in x.to(self.x).split(BLOCK):
            outputs.append(kernels.ntk(block, self.x, depth=self.depth) @ self.duals)
        return torch.cat(outputs)


class Teacher(NamedTuple):
    """A smooth ``truth``, and the wide ``network`` that was trained on its signs."""

    truth: GaussianMixture
    network: WideTeacher


def draw_teacher(modes, samples, epochs, *, amplitude=AMPLITUDE, generator, **options):
    """A teacher of the synthetic task: it learns the sign of a Gaussian mixture.

    Args:
        modes: modes q of the mixture.
        samples: labelled samples M that the network sees.
        epochs: stopping epochs, growing, > 0.
        amplitude: standard deviation of the mixture's amplitudes.
        generator: draws the mixture, then the samples.
        **options: of :class:`WideTeacher`, such as ``depth``.

    Returns:
        :class:`Teacher`.

    Raises:
        ValueError: see :class:`GaussianMixture` and :class:`WideTeacher`.

    Source: Ji & Zhu 2020, Section 4.
    """
    truth = GaussianMixture(modes, amplitude=amplitude, generator=generator)
    shown = inputs(samples, generator=generator)
    labels = (truth(shown) > 0).double()
    return Teacher(truth, WideTeacher(shown, labels, epochs, **options))


def draw_student(
    n,
    dimension=2,
    *,
    law="normal",
    spread=SPREAD,
    depth=2,
    activation="relu",
    width=2048,
    generator,
):
    """One run's samples, the student's outputs on them before training, and the student
    that is linear in its weights.

    The initial outputs are those of an ``NTKMLP`` of finite width; the weight changes
    are those of the infinite limit.

    Args:
        n: samples, in the order in which students see them.
        dimension: d of the inputs.
        law: of the samples, see :func:`inputs`.
        spread: of the samples.
        depth: hidden layers of the student.
        activation: ``relu`` or ``erf``.
        width: of the network that gives the initial outputs.
        generator: draws samples and network.

    Returns:
        ``Student(x, initial, linear)``: inputs ``(n, d)``, outputs at initialisation
        ``(n,)``, a ``LinearizedStudent``.

    Raises:
        ValueError: a size below 1 or an unknown activation.
        MemoryError: n is too large for the device.

    Source: Ji & Zhu 2020, Section 2, Eq. 4.
    """
    x = inputs(n, dimension, law=law, spread=spread, generator=generator)
    linearized.memory_needed(n, device=x.device)
    network = models.NTKMLP(
        dimension,
        width,
        depth=depth,
        activation=activation,
        generator=generator,
        dtype=torch.float64,
    )
    with torch.no_grad():
        initial = torch.cat([network(block) for block in x.split(BLOCK)])
    gram = kernels.ntk(x, depth=depth, activation=activation)
    return Student(x, initial, linearized.LinearizedStudent(gram, in_place=True))


def _grow_from_zero(times):
    """Whether every time is larger than the one before it, and the first than 0."""
    return (times.diff(prepend=times.new_zeros(1)) > 0).all()
