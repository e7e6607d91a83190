"""DPG-Bench (Hu et al., arXiv 2403.05135)."""
