"""Dong, Hou, Lu & Zhang 2019: distillation and early stopping under label noise."""
