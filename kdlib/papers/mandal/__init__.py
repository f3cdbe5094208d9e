"""Mandal, Lin & Srikant 2025: arcs and digits, what the theorems ask for, the descent."""
