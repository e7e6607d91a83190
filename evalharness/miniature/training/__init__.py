"""Scripts that train the miniature's networks from fixed seeds: ``python -m evalharness.miniature.training.NAME``."""
