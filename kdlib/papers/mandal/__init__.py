"""Mandal, Lin & Srikant 2025: arcs and digits, the theorems' demands, the descent."""
