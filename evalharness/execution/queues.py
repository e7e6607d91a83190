"""The queues of a run, of either kind."""

from __future__ import annotations

from evalharness.execution.draw_queue import DrawQueue
from evalharness.execution.score_queue import ScoreQueue

Queue = DrawQueue | ScoreQueue
