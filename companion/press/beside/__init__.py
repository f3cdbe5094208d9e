"""A page beside each paper: its own order, its curves and ours, and the verdicts."""
