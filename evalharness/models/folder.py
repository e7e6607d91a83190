"""Model plugin ``folder``: images that exist already. They are scored like those of other models, and never drawn."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness._util.file_digests import file_digest
from evalharness._util.hashing import digest
from evalharness._util.image_files import BROKEN, plain_png, upright_png
from evalharness._util.regular_files import read_regular
from evalharness.api.model import ImageSource, SourceFile
from evalharness.errors import SampleError, WeightsError
from evalharness.models.folder_index import (
    Entry,
    Listing,
    images_of_layout,
    is_flat,
    is_image,
    plain_id,
    read_layout,
    read_pattern,
)
from evalharness.models.folder_manifest import read_manifest
from evalharness.models.folder_pattern import FilePattern, Grid
from evalharness.models.folder_warnings import read_header, size_warning, warning
from evalharness.types.item import Item

SECONDS_PER_IMAGE = 0.05
"""Time to read and check an image."""


class Folder(ImageSource):
    """Images in GenEval's folder layout, in WISE's (``ID.png``), with names of a pattern, or listed in a manifest.

    A file that states its prompt belongs to the items with that prompt; a file that states none belongs to the item
    with the stated id. So images of rewritten prompts are never taken for images of the original ones.
    """

    class Settings(BaseModel):
        """Settings of the folder.

        Attributes:
            path: the folder.
            manifest: a CSV or JSON Lines file.
            pattern: the names of the files; without a manifest or a pattern the folder has GenEval's layout, or WISE's.
            grid: columns and rows of images in each file, if it holds several: ``2x2``.
            grid_border: pixels around and between them.
            as_found: whether an item with fewer images than are asked for has all of its images.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        path: Path
        manifest: Path | None = None
        pattern: str | None = None
        grid: str | None = None
        grid_border: int = Field(default=0, ge=0)
        as_found: bool = False
        batch_size: int = Field(default=16, ge=1)

        @model_validator(mode="after")
        def _can_be_read(self) -> Folder.Settings:
            if self.pattern is not None and self.manifest is not None:
                raise ValueError("files have names of a pattern or stand in a manifest; give one of the two")
            if self.pattern is not None:
                FilePattern(self.pattern)
            if self.grid is not None:
                Grid.parse(self.grid, self.grid_border)
            elif self.grid_border:
                raise ValueError("grid_border needs a grid")
            return self

    name = "folder"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size
        self.pattern = None if settings.pattern is None else FilePattern(settings.pattern)
        self.grid = Grid(1, 1) if settings.grid is None else Grid.parse(settings.grid, settings.grid_border)

    def identity(self) -> Mapping[str, Any]:
        """The name alone: the digest of each image is part of its trajectory's key."""
        return {"name": self.name}

    def estimate(self, variant: object) -> float:
        """Seconds per trajectory."""
        return SECONDS_PER_IMAGE

    def locate(self, item: Item, seed_index: int) -> SourceFile:
        """The file of an item's image; its digest is empty if the file is missing or cannot be opened."""
        index, part = divmod(seed_index, self.grid.count)
        entry = self._find(item, index)
        if entry is None:
            return SourceFile(self._expected_name(item, index), "")
        path = self.settings.path / entry.name
        try:
            whole = file_digest(path) if path.is_file() else ""
        except WeightsError:
            whole = ""
        return SourceFile(entry.name, self._digest(whole, part), part)

    def lacks(self, item: Item, seed_index: int) -> bool:
        """With ``as_found``, whether the number is above those of the item's images; the first one is never lacking."""
        index = seed_index // self.grid.count
        last = max(self._last.get(("id", plain_id(item.id)), 0), self._last.get(("prompt", item.prompt), 0))
        return self.settings.as_found and index > last

    def fetch(self, sources: Sequence[SourceFile]) -> list[bytes]:
        """Read images as PNG: an upright RGB PNG as it is, other files turned upright, converted to RGB, and cut.

        A transparent image stays so; whoever stores it counts it, and drops its transparency.
        """
        return [self._read(source) for source in sources]

    def survey(self, wanted: Sequence[tuple[Item, int]], known: Sequence[tuple[Item, int]]) -> list[str]:
        """Warnings about missing, extra, unreadable, transparent and turned images, unknown prompts and mixed sizes.

        Args:
            wanted: items and indices of the images that the sweep uses.
            known: items and indices of all images of the benchmark.
        """
        sources = [self.locate(*pair) for pair in wanted]
        missing = [source.name for source in sources if not source.digest]
        files = [(item, index // self.grid.count) for item, index in known if index % self.grid.count == 0]
        known_entries = [entry for place in files if (entry := self._find(*place))]
        unused = self._images() - {entry.name for entry in known_entries}
        owners = {(entry.item, entry.prompt) for entry in known_entries}
        further = {entry.name for entry in self._entries if (entry.item, entry.prompt) in owners} & unused
        prompts = {item.prompt for item, _ in known}
        unknown_prompts = {entry.prompt for entry in self._entries if entry.prompt is not None} - prompts
        headers = {source.name: read_header(self.settings.path / source.name) for source in sources if source.digest}
        unreadable = [name for name, header in headers.items() if header is None]
        rotated = [name for name, header in headers.items() if header and header.rotated]
        transparent = [name for name, header in headers.items() if header and header.transparent]
        lines = [
            warning(missing, f"of {len(sources)} images missing"),
            warning(sorted(further), "more images of these prompts than the sweep file's 'samples' asks for"),
            warning(sorted(unused - further), "extra images that no prompt asks for"),
            warning(sorted(map(repr, unknown_prompts)), "prompts of the folder that the benchmark does not have"),
            warning(unreadable, "files that are no images"),
            size_warning({name: header.size for name, header in headers.items() if header}),
            warning(transparent, "transparent images, scored without their transparency, as published"),
            warning(rotated, "images turned upright by EXIF"),
        ]
        return [line for line in lines if line]

    @cached_property
    def _is_flat(self) -> bool:
        return is_flat(self.settings.path)

    @cached_property
    def _listing(self) -> Listing:
        folder, manifest = self.settings.path, self.settings.manifest
        if manifest is not None:
            return Listing(read_manifest(manifest, folder), by_number=True)
        return read_layout(folder) if self.pattern is None else read_pattern(folder, self.pattern)

    @property
    def _entries(self) -> list[Entry]:
        return self._listing.entries

    @cached_property
    def _by_prompt(self) -> dict[tuple[str, int], list[Entry]]:
        by_prompt: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        for entry in self._entries:
            if entry.prompt is not None:
                by_prompt[entry.prompt, entry.index].append(entry)
        return dict(by_prompt)

    @cached_property
    def _by_item(self) -> dict[tuple[str, int], Entry]:
        """The first file of each item and index that states an item but no prompt."""
        by_item: dict[tuple[str, int], Entry] = {}
        for entry in self._entries:
            if entry.prompt is None and entry.item is not None:
                by_item.setdefault((plain_id(entry.item), entry.index), entry)
        return by_item

    @cached_property
    def _last(self) -> dict[tuple[str, str], int]:
        """The greatest number of the images of each prompt, or of each id whose files state no prompt."""
        last: dict[tuple[str, str], int] = {}
        for entry in self._entries:
            owner = ("id", plain_id(entry.item or "")) if entry.prompt is None else ("prompt", entry.prompt)
            last[owner] = max(last.get(owner, 0), entry.index)
        return last

    def _find(self, item: Item, index: int) -> Entry | None:
        """The file with the item's prompt and id, else with its id alone, else with its prompt."""
        same_prompt = self._by_prompt.get((item.prompt, index), [])
        for entry in same_prompt:
            if entry.item is not None and plain_id(entry.item) == plain_id(item.id):
                return entry
        by_id = self._by_item.get((plain_id(item.id), index))
        return by_id or (same_prompt[0] if same_prompt else None)

    def _expected_name(self, item: Item, index: int) -> str:
        """What is looked for: a name if it can be foretold, else the image's place among those of the item."""
        place = f"item {item.id} index {index}"
        if self.settings.manifest:
            return f"{place} of {self.settings.manifest.name}"
        if self.pattern is not None or not self._listing.by_number:
            return place
        if self._is_flat:
            return f"{item.id}.png" if index == 0 else place
        return f"{item.id}/samples/{index:04d}.png"

    def _images(self) -> set[str]:
        """All images in the folder; in a layout only those in the folders where its images belong."""
        root = self.settings.path
        if self.settings.manifest is None and self.pattern is None:
            return set(images_of_layout(root))
        names = {path.relative_to(root) for path in root.rglob("*") if is_image(path)}
        return {name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)}

    def _digest(self, whole: str, part: int) -> str:
        """The digest of an image from that of its file."""
        grid = self.grid
        return digest([whole, grid.columns, grid.rows, grid.border, part]) if whole and grid.count > 1 else whole

    def _read(self, source: SourceFile) -> bytes:
        path = self.settings.path / source.name
        if not source.digest:
            raise SampleError(f"{'unreadable' if path.is_file() else 'missing'} image: {source.name}")
        try:
            data = read_regular(path)
        except OSError as error:
            raise SampleError(f"unreadable image: {source.name}: {error.strerror}") from None
        if self._digest(hashlib.sha256(data).hexdigest(), source.part) != source.digest:
            raise SampleError(f"changed image: {source.name} is not what it was when the run began; run again")
        try:
            upright = upright_png(data, keep_transparency=True)
            if self.grid.count == 1:
                return upright
            return plain_png(self.grid.cut(Image.open(io.BytesIO(upright), formats=["PNG"]), source.part))
        except BROKEN as error:
            raise SampleError(f"unreadable image: {source.name}: {error}") from None
