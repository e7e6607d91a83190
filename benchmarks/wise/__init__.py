"""WISE: does a model draw what a prompt means but does not say?

Source: Niu et al., arXiv 2503.07265, and the repository PKU-YuanGroup/WISE. ``wise-verified`` is its current protocol,
``wise-legacy`` that of the paper. Their scores are not comparable and never share a column.
"""
