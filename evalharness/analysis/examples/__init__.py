"""Refinements of recorded trajectories: what each was about, whether it helped, and which are shown as examples."""
