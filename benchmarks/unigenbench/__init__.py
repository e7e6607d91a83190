"""UniGenBench++ (arXiv 2510.18701)."""
