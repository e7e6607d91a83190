"""GenEval 2 (Kamath et al., arXiv 2512.16853)."""
