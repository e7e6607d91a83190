"""The command line."""

import os

# numpy multiplies small matrices here. OpenBLAS's other threads would spend more time waiting for the next product
# than working on this one. It reads the variable when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
