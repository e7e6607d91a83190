"""``evalharness doctor``: does everything that a score rests on work on this machine? Small checks, a line each."""
