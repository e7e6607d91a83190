"""Model plugin ``folder``: images that exist already. They are scored like those of other models, and never drawn."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.file_digests import file_digest
from evalharness._util.image_files import BROKEN, FORMATS, turned, upright_png
from evalharness.api.model import ImageSource, SourceFile
from evalharness.errors import SampleError, WeightsError
from evalharness.models.folder_index import Entry, images_of_layout, is_flat, is_image, read_layout, read_manifest
from evalharness.types.item import Item

MAX_EXAMPLES = 3
"""Files that a warning names."""
SECONDS_PER_IMAGE = 0.05
"""Time to read and check an image."""


class Folder(ImageSource):
    """Images in GenEval's folder layout, in WISE's (``ID.png``), or listed in a manifest.

    A file that states its prompt belongs to the items with that prompt; a file that states none belongs to the item
    with the stated id. So images of rewritten prompts are never taken for images of the original ones.
    """

    class Settings(BaseModel):
        """Settings of the folder.

        Attributes:
            path: the folder.
            manifest: a CSV or JSON Lines file; without it the folder has GenEval's layout, or WISE's.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        path: Path
        manifest: Path | None = None
        batch_size: int = Field(default=16, ge=1)

    name = "folder"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def identity(self) -> Mapping[str, Any]:
        """The name alone: the digest of each image is part of its trajectory's key."""
        return {"name": self.name}

    def estimate(self, variant: object) -> float:
        """Seconds per trajectory."""
        return SECONDS_PER_IMAGE

    def locate(self, item: Item, seed_index: int) -> SourceFile:
        """The file of an item's image; its digest is empty if the file is missing or cannot be opened."""
        entry = self._find(item, seed_index)
        if entry is None:
            return SourceFile(self._expected_name(item, seed_index), "")
        path = self.settings.path / entry.name
        try:
            return SourceFile(entry.name, file_digest(path) if path.is_file() else "")
        except WeightsError:
            return SourceFile(entry.name, "")

    def fetch(self, sources: Sequence[SourceFile]) -> list[bytes]:
        """Read images as PNG: an upright RGB PNG as it is, other files turned upright and converted to RGB."""
        return [self._read(source) for source in sources]

    def survey(self, wanted: Sequence[tuple[Item, int]], known: Sequence[tuple[Item, int]]) -> list[str]:
        """Warnings about missing and extra images, unknown prompts, unreadable files, mixed sizes and EXIF rotation.

        Args:
            wanted: items and indices of the images that the sweep uses.
            known: items and indices of all images of the benchmark.
        """
        sources = [self.locate(*pair) for pair in wanted]
        missing = [source.name for source in sources if not source.digest]
        known_files = {entry.name for pair in known if (entry := self._find(*pair))}
        extra = sorted(set(self._images()) - known_files)
        prompts = {item.prompt for item, _ in known}
        unknown_prompts = {entry.prompt for entry in self._entries if entry.prompt is not None} - prompts
        headers = {source.name: _read_header(self.settings.path / source.name) for source in sources if source.digest}
        unreadable = [name for name, header in headers.items() if header is None]
        rotated = [name for name, header in headers.items() if header and header.rotated]
        warnings = [
            _warning(missing, f"of {len(sources)} images missing"),
            _warning(extra, "extra images that no prompt asks for"),
            _warning(sorted(map(repr, unknown_prompts)), "prompts of the folder that the benchmark does not have"),
            _warning(unreadable, "files that are no images"),
            _size_warning({name: header.size for name, header in headers.items() if header}),
            _warning(rotated, "images turned upright by EXIF"),
        ]
        return [warning for warning in warnings if warning]

    @cached_property
    def _is_flat(self) -> bool:
        return is_flat(self.settings.path)

    @cached_property
    def _entries(self) -> list[Entry]:
        manifest = self.settings.manifest
        return read_manifest(manifest, self.settings.path) if manifest else read_layout(self.settings.path)

    @cached_property
    def _by_prompt(self) -> dict[tuple[str, int], list[Entry]]:
        by_prompt: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        for entry in self._entries:
            if entry.prompt is not None:
                by_prompt[entry.prompt, entry.index].append(entry)
        return dict(by_prompt)

    @cached_property
    def _by_item(self) -> dict[tuple[str | None, int], Entry]:
        """The files that state an item but no prompt."""
        return {(entry.item, entry.index): entry for entry in self._entries if entry.prompt is None}

    def _find(self, item: Item, index: int) -> Entry | None:
        """The file with the item's prompt and id, else with its id alone, else with its prompt."""
        same_prompt = self._by_prompt.get((item.prompt, index), [])
        for entry in same_prompt:
            if entry.item == item.id:
                return entry
        if (item.id, index) in self._by_item:
            return self._by_item[item.id, index]
        return same_prompt[0] if same_prompt else None

    def _expected_name(self, item: Item, index: int) -> str:
        if self.settings.manifest:
            return f"item {item.id} index {index} of {self.settings.manifest.name}"
        if self._is_flat:
            return f"{item.id}.png" if index == 0 else f"item {item.id} index {index}"
        return f"{item.id}/samples/{index:04d}.png"

    def _images(self) -> Collection[str]:
        """All images in the folder; in a layout only those in the folders where its images belong."""
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


class _Header(NamedTuple):
    """The header of an image file: width and height as stored, and whether EXIF rotates it."""

    size: tuple[int, int]
    rotated: bool


def _read_header(path: Path) -> _Header | None:
    """The header of an image file, or ``None`` if the file is no image."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return _Header(image.size, turned(image))
    except BROKEN:
        return None


def _warning(names: Sequence[str], description: str) -> str:
    """A warning with the number of files and the first of them; empty if there are none."""
    if not names:
        return ""
    more = ", …" if len(names) > MAX_EXAMPLES else ""
    return f"{len(names)} {description}: {', '.join(names[:MAX_EXAMPLES])}{more}"


def _size_warning(sizes: Mapping[str, tuple[int, int]]) -> str:
    """The sizes of the images, rare ones with an example; empty if there is only one.

    Args:
        sizes: width and height by file name.
    """
    counts = Counter(sizes.values())
    if len(counts) < 2:
        return ""
    examples = {size: name for name, size in sizes.items()}
    (usual, usual_count), *rare = counts.most_common()
    shown = [f"{width} × {height}: {count} (such as {examples[width, height]})" for (width, height), count in rare]
    more = f"; and {len(shown) - MAX_EXAMPLES} sizes more" if len(shown) > MAX_EXAMPLES else ""
    return (
        f"images of {len(counts)} sizes: {usual[0]} × {usual[1]}: {usual_count}; "
        f"{'; '.join(shown[:MAX_EXAMPLES])}{more}"
    )
