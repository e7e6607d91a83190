"""Computes the features of final images once a run is done, so that its report can tell how alike they are.

This process computes them by the scorer's encoder, on a device that is free by then; a CLIP takes a small part of what
a detector takes. The store keeps them, and reports only read them.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evalharness._util.chunking import chunks
from evalharness._util.image_files import decode_png
from evalharness._util.progress import Progress
from evalharness.api.executor import isolate
from evalharness.api.failure import Failure
from evalharness.api.image_features import HasImageFeatures
from evalharness.errors import EvalHarnessError
from evalharness.planning.plan import Plan
from evalharness.store.images import DamagedImageError
from evalharness.store.states import sample_states_in_parts
from evalharness.store.store import Store

if TYPE_CHECKING:
    from evalharness.store.features import Vector

BATCH = 64
"""Images whose features are computed, and written, together."""


def compute_features(plan: Plan, store: Store, progress: Progress) -> None:
    """Compute the features that the store lacks of all images of benchmarks with several images a prompt.

    An encoder that fails costs nothing but its features: a line says so.
    """
    missing = _missing(plan, store)
    with progress.stages() as open_stage:
        for name, images in missing.items():
            stage = open_stage(f"features {name}", len(images))
            scorer, identity = plan.benchmarks[name].benchmark.scorer(), plan.benchmarks[name].facts.features
            if isinstance(scorer, HasImageFeatures) and identity is not None:
                for batch in chunks(images, BATCH):
                    try:
                        store.features.add(identity, _features(scorer, _read(store, batch)))
                    except EvalHarnessError as error:
                        progress.say(f"warning: {name}: how alike the images of a prompt are is not measured: {error}")
                        break
                    stage.advance(len(batch))


def _missing(plan: Plan, store: Store) -> dict[str, list[str]]:
    """The images without features, by the benchmark whose scorer computes them; each once."""
    encoders = {name: plan.encoder(name) for name, planned in plan.benchmarks.items() if planned.samples > 1}
    images: dict[str, dict[str, None]] = defaultdict(dict)
    if any(encoders.values()):
        for states in sample_states_in_parts(plan, store):
            for state in states:
                encoder = encoders.get(state.sample.benchmark)
                if encoder is not None and state.image is not None:
                    images[encoder][state.image] = None
    missing = {}
    for encoder, digests in images.items():
        known = store.features.known(plan.benchmarks[encoder].facts.features or {}, digests)
        missing[encoder] = [digest for digest in digests if digest not in known]
    return {encoder: digests for encoder, digests in missing.items() if digests}


def _read(store: Store, digests: Sequence[str]) -> dict[str, bytes]:
    """The files of images by their digests, without those that are damaged: the next run draws them again."""
    files = {}
    for digest in digests:
        with contextlib.suppress(DamagedImageError):
            files[digest] = store.images.read(digest)
    return files


def _features(encoder: HasImageFeatures, files: Mapping[str, bytes]) -> dict[str, Vector]:
    """The features of images by their digests.

    Raises:
        EvalHarnessError: The encoder fails.
    """

    def encode(pngs: Sequence[bytes], /) -> list[Vector]:
        return list(encoder.features([decode_png(png) for png in pngs]))

    features = {}
    for digest, outcome in zip(files, isolate(encode, list(files.values())), strict=True):
        if isinstance(outcome, Failure):
            raise EvalHarnessError(outcome.reason)
        features[digest] = outcome
    return features
