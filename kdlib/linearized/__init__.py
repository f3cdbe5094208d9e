"""Networks so wide that they are linear in their weights.

:class:`LinearizedStudent` is trained to the end, at every sample size at once;
:func:`gradient_flow` and :func:`logistic_flow` stop the training of one at several
times.
"""

from kdlib.linearized.flow import gradient_flow
from kdlib.linearized.logistic import logistic_flow
from kdlib.linearized.student import LinearizedStudent, memory_needed

__all__ = ["LinearizedStudent", "gradient_flow", "logistic_flow", "memory_needed"]
