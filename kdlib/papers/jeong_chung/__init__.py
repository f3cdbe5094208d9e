"""Jeong & Chung 2025: block correlations, the probe and its rounds, real features."""
