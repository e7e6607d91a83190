"""The HTTP interface of a scoring service; docs/service.md documents it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from evalharness._util.devices import processor_count
from evalharness._util.validation import error_line
from evalharness.api.failure import Failure
from evalharness.errors import ConfigError
from evalharness.service import wire
from evalharness.service.dialects import FlowFactoryBody, UniRLBody, flow_factory_answer, unirl_answer
from evalharness.service.images import ReadImage, read_image
from evalharness.service.metrics import Metrics
from evalharness.service.queue import ClosedError, FullError, Outcome
from evalharness.service.scoring import ScoringService
from evalharness.service.wire import ScoreBody, Scored
from evalharness.types.item import Item
from evalharness.types.score import Score

M = TypeVar("M", bound=BaseModel)
RETRY_AFTER = 5
"""Seconds after which a client may ask a service again that cannot score now."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``images``: in one request; ``megabytes``: of one request."""

    images: int = 1000
    megabytes: int = 1000


class Application:
    """The handlers of the requests."""

    def __init__(self, service: ScoringService, limits: Limits) -> None:
        self.service, self.limits = service, limits
        self.metrics = Metrics(service.queue)
        self.name = service.benchmark.name
        self._readers = ThreadPoolExecutor(processor_count(), thread_name_prefix="images")

    def rewards(self) -> list[str]:
        """Names of the rewards: the benchmark's for its score, and those beside it."""
        return [self.name, *self.service.reward_names]

    # --- handlers ---

    async def score(self, request: Request) -> Response:
        """Score images of this program's own clients, or of UniRL's."""
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            body, files = await self._multipart(request)
        else:
            data = await self._json(request)
            if "requests" in data:
                return await self._unirl(_checked(UniRLBody, data))
            body = _checked(ScoreBody, data)
            files = [_present(entry.image, f"images[{index}]: image") for index, entry in enumerate(body.images)]
        places = [f"images[{index}]" for index in range(len(body.images))]
        items = [
            self._item(entry.prompt, entry.metadata, place, entry.item)
            for entry, place in zip(body.images, places, strict=True)
        ]
        scored = await self._scored(files, items)
        results = wire.results(body.images, scored, details=body.details)
        return JSONResponse({"benchmark": self.name, "identity": self.service.identity_digest, "results": results})

    async def compute(self, request: Request, reward: str = "") -> Response:
        """Score images of Flow-Factory's client."""
        name = reward or self.name
        self._require_rewards([name])
        body = _checked(FlowFactoryBody, await self._json(request))
        if len(body.prompt) != len(body.image):
            raise HTTPException(422, f"{len(body.image)} images for {len(body.prompt)} prompts")
        items = [self._item(prompt, None, f"prompt[{index}]") for index, prompt in enumerate(body.prompt)]
        scored = await self._scored(body.image, items)
        return Response(flow_factory_answer(scored, name, self.name), media_type="application/json")

    def health(self) -> Response:
        """Whether images are scored; 503 if no more can be."""
        state = self.service.state
        body: dict[str, Any] = {"status": state, "rewards": {name: [state] for name in self.rewards()}}
        if self.service.failure:
            body["error"] = self.service.failure
        return JSONResponse(body, 503 if state == "failed" else 200)

    def identity(self) -> Response:
        """What decides a score, and its digest, as in the results of a sweep."""
        return JSONResponse(
            {"benchmark": self.name, "identity": self.service.identity_digest, "scorer": self.service.identity}
        )

    # --- parts ---

    async def _unirl(self, body: UniRLBody) -> Response:
        self._require_rewards([name for request in body.requests for name in request.required_rewards])
        files, items = [], []
        for index, request in enumerate(body.requests):
            place, turn = f"requests[{index}]", request.history[-1]
            files.append(_present(turn.image_b64, f"{place}: the last turn's image_b64"))
            # Its metadata are those of a data set: they are a prompt's only where the prompt is not known.
            known = turn.text in self.service.items or not self.service.takes_metadata
            name = request.item if self.service.items.is_ambiguous(turn.text) else None
            items.append(self._item(turn.text, None if known else request.metadata, place, name))
        scored = await self._scored(files, items)
        return JSONResponse(unirl_answer(body, scored, self.name, self.service.identity_digest))

    async def _scored(self, files: Sequence[bytes | str], items: Sequence[Item]) -> list[Scored]:
        if len(files) > self.limits.images:
            raise HTTPException(413, f"{len(files)} images are more than the {self.limits.images} of a request")
        loop = asyncio.get_running_loop()
        images = await asyncio.gather(*(loop.run_in_executor(self._readers, read_image, file) for file in files))
        readable = [(image.png, item) for image, item in zip(images, items, strict=True) if image.png]
        try:
            futures = self.service.submit([png for png, _ in readable], [item for _, item in readable])
        except FullError as error:
            raise HTTPException(429, str(error), {"Retry-After": str(error.seconds)}) from None
        except ClosedError as error:
            raise HTTPException(503, str(error), {"Retry-After": str(RETRY_AFTER)}) from None
        outcomes = iter(await asyncio.gather(*map(asyncio.wrap_future, futures)))
        scored = [
            self._one(item, image, next(outcomes) if image.png else Failure(image.error))
            for item, image in zip(items, images, strict=True)
        ]
        self.metrics.images(scored)
        if self.service.failure:
            raise HTTPException(503, self.service.failure, {"Retry-After": str(RETRY_AFTER)})
        return scored

    def _one(self, item: Item, image: ReadImage, outcome: Outcome) -> Scored:
        rewards = self.service.rewards(item, outcome) if isinstance(outcome, Score) else {}
        return Scored(item, image, outcome, rewards)

    def _item(self, prompt: str | None, metadata: Any, place: str, name: str | None = None) -> Item:
        try:
            return self.service.item(prompt, metadata, place, name)
        except ConfigError as error:
            raise HTTPException(422, str(error)) from None

    def _require_rewards(self, names: Sequence[str]) -> None:
        unknown = sorted(set(names) - set(self.rewards()))
        if unknown:
            raise HTTPException(422, f"no reward {unknown[0]!r}; there are {', '.join(self.rewards())}")

    async def _json(self, request: Request) -> dict[str, Any]:
        self._require_length(request, required=False)
        most, data = self.limits.megabytes * 1_000_000, bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > most:
                raise HTTPException(413, f"more than {self.limits.megabytes} MB")
        return await asyncio.to_thread(_object, data, "the body")

    async def _multipart(self, request: Request) -> tuple[ScoreBody, list[bytes | str]]:
        """The part ``request`` with all but the images, and the parts ``image`` in the same order."""
        self._require_length(request, required=True)
        async with request.form(max_files=self.limits.images, max_fields=2, max_part_size=100_000_000) as form:
            text = form.get("request")
            files: list[bytes | str] = [
                await part.read() for part in form.getlist("image") if isinstance(part, UploadFile)
            ]
        body = _checked(ScoreBody, _object(text if isinstance(text, str) else "", "the part 'request'"))
        if len(files) != len(body.images):
            raise HTTPException(422, f"{len(files)} parts 'image' for {len(body.images)} images of the request")
        return body, files

    def _require_length(self, request: Request, *, required: bool) -> None:
        length = request.headers.get("content-length", "")
        if required and not length.isdigit():
            raise HTTPException(411, "a multipart request needs its Content-Length")
        if length.isdigit() and int(length) > self.limits.megabytes * 1_000_000:
            raise HTTPException(413, f"{int(length) / 1e6:.0f} MB are more than {self.limits.megabytes}")


def application(service: ScoringService, limits: Limits | None = None) -> FastAPI:
    """The application of a service that has been started."""
    handlers = Application(service, limits or Limits())
    app = FastAPI(title=f"evalharness {handlers.name}", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/score", handlers.score, methods=["POST"])
    app.add_api_route("/compute", handlers.compute, methods=["POST"])
    app.add_api_route("/rewards/{reward}/compute", handlers.compute, methods=["POST"])
    app.add_api_route("/rewards/{reward}/health", handlers.health, methods=["GET"])
    app.add_api_route("/rewards", lambda: {"rewards": handlers.rewards()}, methods=["GET"])
    app.add_api_route("/health", handlers.health, methods=["GET"])
    app.add_api_route("/identity", handlers.identity, methods=["GET"])
    app.add_api_route("/metrics", lambda: Response(handlers.metrics.text(), media_type="text/plain"), methods=["GET"])

    @app.middleware("http")
    async def count(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        start = time.monotonic()
        response = await proceed(request)
        route = request.scope.get("route")
        path = getattr(route, "path", "other")
        handlers.metrics.request(path, response.status_code, time.monotonic() - start)
        return response

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    return app


def _checked(model: type[M], data: Any) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise HTTPException(422, error_line(error, model)) from None


def _object(text: str | bytes | bytearray, name: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, f"{name} is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise HTTPException(422, f"{name} is not a JSON object")
    return data


def _present(image: str | None, place: str) -> str:
    if image is None:
        raise HTTPException(422, f"{place} is missing")
    return image
