"""What a chat model is asked in the format ``prompted``, when others draw what it writes.

An artist reads the answer and nothing else, so that each answer must be complete in itself. The first words of an
answer count as in the format's own requests: "finished" ends the process, "fine" finds no conflict.
"""

from __future__ import annotations

from collections.abc import Mapping

EDIT_PLAN = (
    "You direct an artist who works on one picture step by step. The artist sees the picture as it is now, if there is "
    "one yet, and reads nothing but your answer. The text at the beginning says what the picture is to show in the "
    "end. "
    "In one or two sentences, tell the artist what to draw or to change next, with the things, numbers, colours and "
    "places that matter. If the picture already shows all that was asked for, answer with one word: finished."
)
EDIT_REFINE = (
    "In one sentence, tell the artist how to change the picture so that this is put right, and that all else stays as "
    "it is. Name the things; the artist reads nothing else."
)
REDRAW_PLAN = (
    "You direct an artist who draws every picture anew, sees no earlier one, and reads nothing but your answer. The "
    "text at the beginning says what the picture is to show. A picture below it, if there is one, is the artist's last "
    "attempt. In at most three sentences, describe the whole picture that the artist is to draw, with its things, "
    "numbers, colours and places. If the last attempt already shows all that was asked for, answer with one word: "
    "finished."
)
REDRAW_REFINE = (
    "In at most three sentences, describe the whole picture anew so that this is put right; the artist draws it from "
    "your answer alone."
)
EDIT: Mapping[str, str] = {"plan": EDIT_PLAN, "refine": EDIT_REFINE}
"""For an artist who changes the picture; the request to inspect is the format's own."""
REDRAW: Mapping[str, str] = {"plan": REDRAW_PLAN, "refine": REDRAW_REFINE}
"""For an artist who draws from the text alone."""
