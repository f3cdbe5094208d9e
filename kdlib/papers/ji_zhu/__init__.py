"""Ji & Zhu 2020: the synthetic task, transfer risk, imperfect teachers."""
