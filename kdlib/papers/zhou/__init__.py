"""Zhou et al. 2021: students whose bias and variance are known, and their samples."""
