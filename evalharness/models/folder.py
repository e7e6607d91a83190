"""A folder of images that exist already, as a model: they are scored like any other's, and never drawn."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.file_digests import file_digest
from evalharness._util.image_files import BROKEN, FORMATS, turned, upright_png
from evalharness.api.model import SourceFile
from evalharness.errors import SampleError, WeightsError
from evalharness.models.folder_index import Entry, images_of_layout, is_flat, is_image, read_layout, read_manifest
from evalharness.types.item import Item

NAMED = 3
"""How many files a warning names."""


class Folder:
    """GenEval's folder layout, WISE's ``ID.png``, or files with a manifest.

    A file is an item's if its prompt, where it says one, is the item's prompt, or else if it says the item's id. So
    images of rewritten prompts are never taken for images of the original ones.
    """

    class Settings(BaseModel):
        """``manifest``: a CSV or JSON Lines file; without one the folder has GenEval's layout, or WISE's."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        path: Path
        manifest: Path | None = None
        batch_size: int = Field(default=16, ge=1)

    name = "folder"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def identity(self) -> Mapping[str, Any]:
        """Only the name: each image's own digest is in the key of its trajectory."""
        return {"name": self.name}

    def check(self, prompt: str) -> None:
        """Any prompt may have an image."""

    def estimate(self, variant: object) -> float:
        """Seconds to read and check an image."""
        return 0.05

    def locate(self, item: Item, seed_index: int) -> SourceFile:
        """The file of an item's image of this number; its digest is empty if it is missing or cannot be opened."""
        entry = self._find(item, seed_index)
        if entry is None:
            return SourceFile(self._expected(item, seed_index), "")
        path = self.settings.path / entry.name
        try:
            return SourceFile(entry.name, file_digest(path) if path.is_file() else "")
        except WeightsError:
            return SourceFile(entry.name, "")

    def fetch(self, sources: Sequence[SourceFile]) -> list[bytes]:
        """PNG files: the very bytes where a file is an upright RGB PNG, else the image turned upright and made RGB."""
        return [self._read(source) for source in sources]

    def survey(self, wanted: Sequence[tuple[Item, int]], known: Sequence[tuple[Item, int]]) -> list[str]:
        """Missing and extra images, other prompts, files without a readable header, differing sizes, EXIF turns."""
        files = [self.locate(*pair) for pair in wanted]
        missing = [source.name for source in files if not source.digest]
        asked = {entry.name for pair in known if (entry := self._find(*pair))}
        prompts = {item.prompt for item, _ in known}
        other = {entry.prompt for entry in self._entries if entry.prompt is not None and entry.prompt not in prompts}
        headers = {source.name: _header(self.settings.path / source.name) for source in files if source.digest}
        sizes = Counter(header[0] for header in headers.values() if header)
        found = [
            _line(missing, f"of {len(files)} images missing"),
            _line(sorted(set(self._images()) - asked), "extra images that no prompt asks for"),
            _line(sorted(map(repr, other)), "prompts of the folder that the benchmark does not have"),
            _line([name for name, header in headers.items() if header is None], "files that are no images"),
            _sizes(sizes, headers),
            _line([name for name, header in headers.items() if header and header[1]], "images turned upright by EXIF"),
        ]
        return [line for line in found if line]

    # --- inside ---

    @cached_property
    def _is_flat(self) -> bool:
        return is_flat(self.settings.path)

    @cached_property
    def _entries(self) -> list[Entry]:
        manifest = self.settings.manifest
        return read_manifest(manifest, self.settings.path) if manifest else read_layout(self.settings.path)

    @cached_property
    def _by_prompt(self) -> dict[tuple[str, int], list[Entry]]:
        found: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        for entry in self._entries:
            if entry.prompt is not None:
                found[entry.prompt, entry.index].append(entry)
        return dict(found)

    @cached_property
    def _by_item(self) -> dict[tuple[str | None, int], Entry]:
        """The files that say an item but no prompt."""
        return {(entry.item, entry.index): entry for entry in self._entries if entry.prompt is None}

    def _find(self, item: Item, index: int) -> Entry | None:
        same_prompt = self._by_prompt.get((item.prompt, index), [])
        own = [entry for entry in same_prompt if entry.item == item.id]
        by_id = self._by_item.get((item.id, index))
        return next(iter([*own, *([by_id] if by_id else []), *same_prompt]), None)

    def _expected(self, item: Item, index: int) -> str:
        if self.settings.manifest:
            return f"item {item.id} index {index} of {self.settings.manifest.name}"
        if self._is_flat:
            return f"{item.id}.png" if index == 0 else f"item {item.id} index {index}"
        return f"{item.id}/samples/{index:04d}.png"

    def _images(self) -> Collection[str]:
        """All images in the folder; in a layout those where its images lie, which may have others beside them."""
        root = self.settings.path
        if self.settings.manifest is None:
            return list(images_of_layout(root))
        return [path.relative_to(root).as_posix() for path in root.rglob("*") if is_image(path)]

    def _read(self, source: SourceFile) -> bytes:
        path = self.settings.path / source.name
        if not source.digest:
            raise SampleError(f"{'unreadable' if path.is_file() else 'missing'} image: {source.name}")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SampleError(f"unreadable image: {source.name}: {error.strerror}") from None
        if hashlib.sha256(data).hexdigest() != source.digest:
            raise SampleError(f"changed image: {source.name} is not what it was when the run began; run again")
        try:
            return upright_png(data)
        except BROKEN as error:
            raise SampleError(f"unreadable image: {source.name}: {error}") from None


def _header(path: Path) -> tuple[tuple[int, int], bool] | None:
    """Width and height as stored, and whether EXIF turns it; ``None`` if this is no image."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size, turned(image)
    except BROKEN:
        return None


def _line(names: Sequence[str], what: str) -> str:
    if not names:
        return ""
    return f"{len(names)} {what}: {', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''}"


def _sizes(sizes: Counter[tuple[int, int]], headers: Mapping[str, tuple[tuple[int, int], bool] | None]) -> str:
    """What sizes there are if there is more than one, rare ones with a file."""
    if len(sizes) < 2:
        return ""
    example = {header[0]: name for name, header in headers.items() if header}
    usual, *others = sizes.most_common()
    parts = [f"{width} × {height}: {count} (such as {example[width, height]})" for (width, height), count in others]
    more = f"; and {len(parts) - NAMED} sizes more" if len(parts) > NAMED else ""
    (width, height), count = usual
    return f"images of {len(sizes)} sizes: {width} × {height}: {count}; {'; '.join(parts[:NAMED])}{more}"
