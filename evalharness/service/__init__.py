"""Scores as a service: a benchmark's scorer behind HTTP, for trainings that ask for rewards."""
