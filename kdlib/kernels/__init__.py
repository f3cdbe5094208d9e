"""Tangent kernels, analytic and empirical, and the factor to solve with them."""

from kdlib.kernels.analytic import nngp, nngp_diagonal, ntk, ntk_diagonal
from kdlib.kernels.empirical import empirical_ntk
from kdlib.kernels.factor import cholesky

__all__ = ["cholesky", "empirical_ntk", "nngp", "nngp_diagonal", "ntk", "ntk_diagonal"]
