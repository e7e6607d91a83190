"""The page of a run in progress, over HTTP."""
