"""Model plugin ``composite``: an interleaver made of a writer, a painter and an editor, each a plugin of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard, cast

from PIL import Image

from evalharness.api.judge import Judge
from evalharness.api.model import (
    Context,
    Drawn,
    ImageEditor,
    ImageModel,
    ImageSource,
    Interleaver,
    Model,
    RemoteImageModel,
    Written,
)
from evalharness.api.plugin import versioned_identity
from evalharness.api.variant import Variant
from evalharness.errors import ConfigError
from evalharness.models.composite import words
from evalharness.models.composite.chat_writer import ChatWriter
from evalharness.models.composite.remote_part import RemotePart
from evalharness.models.composite.settings import CompositeSettings, PartRef
from evalharness.types.spent import Spent
from evalharness.types.trajectory import StepKind

REDRAW = "redraw"
PartName = Literal["writer", "painter", "editor"]


@dataclass
class CompositeContext:
    """One sample's growing sequence.

    Attributes:
        writing: The writer's own context.
        drawing: That of an editor that is a unified model; it reads, sees and rereads the same.
        text: The newest text, which a painter or an editor is given.
        image: The newest image, which an editor changes.
    """

    writing: Context
    drawing: Context = None
    text: str = ""
    image: Image.Image | None = None


class Composite(Interleaver):
    """The writer plans, inspects and refines in words; the painter draws its text, the editor changes the image by it.

    An editor that edits by an instruction is given the image and the newest text. One that is a unified model without
    that verb reads all that the writer reads and writes, and draws after it. With ``redraw`` there is no editor: the
    painter draws each image anew, from the newest text alone.
    """

    Settings = CompositeSettings

    name = "composite"
    behaviour_version = 2

    def __init__(self, settings: CompositeSettings) -> None:
        self._settings = settings
        built: dict[str, Model] = {}

        def model(ref: PartRef) -> Model:
            """The model of a part; parts with the same settings are one model, whose weights are loaded once."""
            key = ref.model_dump_json()
            if key not in built:
                built[key] = ref.build()
            return built[key]

        writer = settings.writer.build() if settings.writer.kind_of(settings.writer.name) == "judges" else None
        self._writer: Judge | Model = writer or model(cast("PartRef", settings.writer))
        self._painter = model(settings.painter_ref)
        self._editor = None if settings.editor is None else model(settings.editor)
        self._require_verbs()
        self._speaker = self._writer if isinstance(self._writer, Interleaver) else None
        """The writer, if it is a unified model."""
        self._unified = self._editor if _is_unified(self._editor) else None
        """The editor, if it is a unified model that draws after its context."""
        self._writing: Any = ChatWriter(writer) if writer else self._writer
        self._painting, self._editing = _with_verbs(self._painter), _with_verbs(self._editor)
        self._set_abilities()

    def _require_verbs(self) -> None:
        """Check that each part can do what it is for.

        Raises:
            ConfigError: One cannot.
        """
        settings, editor, painter = self._settings, self._editor, self._painter
        if not isinstance(self._writer, Judge | Interleaver):
            raise ConfigError(
                f"composite: the writer {settings.writer.name!r} does not write; give a judge such as openai or "
                "lm-eval, or a model that reads and writes"
            )
        of_chat = [name for name in ("context", "words") if name in settings.model_fields_set]
        if isinstance(self._writer, Interleaver) and of_chat:
            raise ConfigError(
                f"composite: `{of_chat[0]}` is for chat models; the writer {settings.writer.name!r} has its own"
            )
        if isinstance(painter, ImageSource) or not isinstance(painter, ImageModel | RemoteImageModel):
            raise ConfigError(f"composite: the painter {settings.painter_ref.name!r} does not draw")
        draws_on = isinstance(editor, Interleaver) and editor.draws_after_images
        edits = isinstance(editor, ImageEditor) or draws_on or (isinstance(editor, RemoteImageModel) and editor.edits)
        if editor is not None and not edits:
            assert settings.editor is not None
            raise ConfigError(
                f"composite: the editor {settings.editor.name!r} does not change images; give one that does, or a "
                "painter and `redraw: true`"
            )

    def _set_abilities(self) -> None:
        """Set what the harness reads of an interleaver, by the parts."""
        settings, speaker = self._settings, self._speaker
        if speaker is None:
            own = words.REDRAW if settings.redraw else words.EDIT
            self.formats = ("prompted", "rewrite")  # type: ignore[misc]
            self.words = {**own, **{str(stage): text for stage, text in settings.words.items()}}
            self.continues = settings.context == "all"
        else:
            self.formats = speaker.formats  # type: ignore[misc]
            self.words, self.continues = speaker.words, speaker.continues
        self.draws_context = self._unified is not None and self._unified is self._painter
        self.guided = self._unified is not None and self._unified.guided
        self.replays = all(part is None or part.replays for part in (speaker, self._unified))
        here = [part for part in self._parts().values() if isinstance(part, ImageModel)]
        elsewhere = [part.concurrency for part in self._parts().values() if isinstance(part, RemoteImageModel)]
        self.batch_size = settings.batch_size or min([part.batch_size for part in here] or elsewhere)
        self.device_count = self._count_devices()
        self.address = " ".join(f"{name}={part.address}" for name, part in self._parts().items() if part.address)
        self.one_worker = any(_has_budget(ref) for ref in (settings.writer, settings.painter, settings.editor))

    def _count_devices(self) -> int | None:
        """The GPUs of all parts that compute here; parts that name the same device share it."""
        settings, counts = self._settings, dict[str, int]()
        refs = {"writer": settings.writer, "painter": settings.painter_ref, "editor": settings.editor}
        for name, part in self._parts().items():
            count = getattr(part, "device_count", None)
            if count is not None:
                given = getattr(refs[name], "settings", None)
                place = str(getattr(given, "devices", ()) or getattr(given, "device", ""))
                counts[place] = max(count, counts.get(place, 0))
        return sum(counts.values()) if counts else None

    def _parts(self) -> dict[PartName, Any]:
        """The parts by name, each of them once."""
        parts: dict[PartName, Any] = {"writer": self._writer, "painter": self._painter}
        if self._editor is not None and self._editor is not self._painter:
            parts["editor"] = self._editor
        return parts

    @property
    def remembers(self) -> bool:  # type: ignore[override]
        """As the writer, which may have to read its weights' folder to know."""
        return self._speaker is not None and self._speaker.remembers

    # --- what it is ---

    def identity(self) -> Mapping[str, Any]:
        """The identities of the parts, and how they work together; the words belong to the format."""
        settings = self._settings
        parts: dict[str, Any] = {
            name: versioned_identity(part.identity(), part) for name, part in self._parts().items()
        }
        together: dict[str, Any] = {REDRAW: True} if settings.redraw else {}
        if self._speaker is None:
            together |= {"context": settings.context}
        return {"name": self.name, **parts, **together}

    def said_in_name(self, variant: Variant) -> str:
        """A process that draws anew says so: its arm is no editing one."""
        return REDRAW if self._settings.redraw and variant.cap is not None else ""

    def check(self, prompt: str) -> None:
        for part in self._parts().values():
            if isinstance(part, Model):
                part.check(prompt)

    def reachable(self) -> None:
        for part in self._parts().values():
            part.reachable()

    def recall_parts(self, spent: Mapping[str, Spent]) -> None:
        """Count what the parts spent before this run; a part that is painter and editor has one budget for both."""
        for name, part in self._parts().items():
            if isinstance(part, Judge | RemoteImageModel):
                part.recall(spent.get(name, Spent()))

    def prepare(self) -> None:
        for part in self._parts().values():
            if isinstance(part, Model):
                part.prepare()

    # --- verbs ---

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        return _made_by("painter", self._painting.paint(prompts, seeds))

    def start(self, count: int) -> list[CompositeContext]:
        drawing = [None] * count if self._unified is None else self._unified.start(count)
        return [CompositeContext(*pair) for pair in zip(self._writing.start(count), drawing, strict=True)]

    def blank(self) -> Image.Image | None:
        return None if self._speaker is None else self._speaker.blank()

    def read(self, contexts: Sequence[CompositeContext], texts: Sequence[str]) -> None:
        self._writing.read([context.writing for context in contexts], texts)
        if self._unified is not None:
            self._unified.read([context.drawing for context in contexts], texts)
        _note_texts(contexts, texts)

    def look(self, contexts: Sequence[CompositeContext], images: Sequence[Image.Image]) -> None:
        self._writing.look([context.writing for context in contexts], images)
        if self._unified is not None:
            self._unified.look([context.drawing for context in contexts], images)
        for context, image in zip(contexts, images, strict=True):
            context.image = image

    def write(
        self,
        contexts: Sequence[CompositeContext],
        *,
        stop: Sequence[str],
        max_tokens: int,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> list[Written]:
        writing = [context.writing for context in contexts]
        written: list[Written] = self._writing.write(
            writing, stop=stop, max_tokens=max_tokens, seeds=seeds, opening=opening, ask=ask
        )
        texts = [text.text for text in written]
        if self._unified is not None:
            drawing = [context.drawing for context in contexts]
            self._unified.reread(drawing, texts, seeds=seeds, opening=opening, ask=ask)
        _note_texts(contexts, texts)
        return [replace(text, part="writer") for text in written]

    def reread(
        self,
        contexts: Sequence[CompositeContext],
        texts: Sequence[str],
        *,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> None:
        self._writing.reread([context.writing for context in contexts], texts, seeds=seeds, opening=opening, ask=ask)
        if self._unified is not None:
            drawing = [context.drawing for context in contexts]
            self._unified.reread(drawing, texts, seeds=seeds, opening=opening, ask=ask)
        _note_texts(contexts, texts)

    def note_drawn(self, contexts: Sequence[CompositeContext], *, seeds: Sequence[int]) -> None:
        if self._unified is not None:
            self._unified.note_drawn([context.drawing for context in contexts], seeds=seeds)

    def draw(
        self,
        contexts: Sequence[CompositeContext],
        *,
        unguided: Sequence[CompositeContext],
        seeds: Sequence[int],
        kind: StepKind = "draw",
    ) -> list[Drawn]:
        """Draw the newest text, by the editor if there is an image that it can change.

        A unified model that is painter and editor draws everything after its context.
        """
        everything = self._unified is not None and self._unified is self._painter
        new = [self._editor is None or (context.image is None and not everything) for context in contexts]
        drawn: dict[int, Drawn] = {}
        if numbers := [number for number, is_new in enumerate(new) if is_new]:
            texts = [contexts[number].text for number in numbers]
            drawn |= zip(numbers, self.paint(texts, [seeds[number] for number in numbers]), strict=True)
        if numbers := [number for number, is_new in enumerate(new) if not is_new]:
            without = [unguided[number] for number in numbers] if unguided else []
            changed = self._change([contexts[number] for number in numbers], without, [seeds[n] for n in numbers], kind)
            drawn |= zip(numbers, changed, strict=True)
        return [drawn[number] for number in range(len(contexts))]

    def _change(
        self,
        contexts: Sequence[CompositeContext],
        unguided: Sequence[CompositeContext],
        seeds: Sequence[int],
        kind: StepKind,
    ) -> list[Drawn]:
        part: PartName = "painter" if self._editor is self._painter else "editor"
        if self._unified is not None:
            drawing, without = ([context.drawing for context in those] for those in (contexts, unguided))
            return _made_by(part, self._unified.draw(drawing, unguided=without, seeds=seeds, kind=kind))
        images, texts = [context.image for context in contexts], [context.text for context in contexts]
        return _made_by(part, self._editing.edit(images, texts, seeds))


def _is_unified(part: Model | None) -> TypeGuard[Interleaver]:
    """Whether a part draws after a context rather than by an instruction."""
    return isinstance(part, Interleaver) and not isinstance(part, ImageEditor)


def _with_verbs(part: Any) -> Any:
    return RemotePart(part) if isinstance(part, RemoteImageModel) else part


def _has_budget(ref: Any) -> bool:
    limits = (getattr(ref.settings, name, None) for name in ("max_calls", "max_dollars")) if ref is not None else ()
    return any(limit is not None for limit in limits)


def _made_by(part: PartName, drawn: Sequence[Drawn]) -> list[Drawn]:
    return [replace(image, part=part) for image in drawn]


def _note_texts(contexts: Sequence[CompositeContext], texts: Sequence[str]) -> None:
    for context, text in zip(contexts, texts, strict=True):
        context.text = text
