"""The routes: what the service answers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from mien.bundle import Bundle, bundle_archive, card_markdown
from mien.errors import BundleError, DataError, ImageError, MienError, did_you_mean
from mien.inference.classifier import GOLDEN_TOLERANCE
from mien.inference.recognizer import Recognizer
from mien.web import open_inference, schema
from mien.web.body import chunks_of, photos_of
from mien.web.guard import COOKIE, Guard, problem
from mien.web.limits import Limits
from mien.web.metrics import CONTENT_TYPE, Metrics
from mien.web.notice import PAGE_POLICY, Deployer, notice, notice_page
from mien.web.problems import ServiceError
from mien.web.reports import find_reports, report_file
from mien.web.service import Service

STATIC = Path(str(resources.files("mien.web"))) / "static"

_PHOTO = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "properties": {"photo": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    }
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"image/*": _PHOTO, "application/octet-stream": _PHOTO, "multipart/form-data": _FORM},
    }
}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "description": "A PNG picture."}
}
_REASONS = {
    400: "The body cannot be read.",
    401: "The token is missing or wrong.",
    403: "A page of another origin asks.",
    408: "The body came too slowly.",
    413: "The body, or the number of photos, is too large.",
    415: "The Content-Type is not one of a photo.",
    421: "The service does not answer under this name.",
    422: "An option is impossible, or the photo cannot be used.",
    429: "The service is busy; Retry-After says when to ask again.",
    503: "It took too long.",
}

Labels = Annotated[str | None, Query(description="six or seven: keep only these labels of the model")]
Unsure = Annotated[float | None, Query(ge=0, le=1, description="least probability for a label to be given")]


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": schema.ProblemShape, "description": _REASONS[status]} for status in statuses}


_OF_PHOTOS = _problems(400, 401, 403, 408, 413, 415, 421, 422, 429, 503)
_OF_ANY = _problems(401, 403, 421)


@dataclass(frozen=True, eq=False)
class _State:
    """What the routes share."""

    service: Service
    version: str
    token_needed: bool
    stores: tuple[Path, ...]
    golden_difference: float
    model_file: bytes

    @property
    def bundle(self) -> Bundle:
        return self.service.recognizer.bundle


def create_app(
    recognizer: Recognizer,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    stores: Iterable[Path] = (),
    hosts: Iterable[str] | None = None,
    static: Path = STATIC,
    threads: int | None = None,
) -> FastAPI:
    """The application, for any ASGI server; `mien.web.server.serve` runs it.

    Args:
        recognizer: the models; one for the whole process.
        limits: what is refused; None for the usual ones.
        token: what clients must send; None when anyone may ask.
        stores: stores of studies, or folders of stores, whose reports are shown.
        hosts: names under which the service may be asked; None for any.
        static: the folder of the page.
        threads: photos that are read at once; None for one per core.
    """
    metrics = Metrics()
    service = Service(recognizer, limits or Limits(), metrics, threads=threads)
    golden = recognizer.bundle.golden
    state = _State(
        service=service,
        version=version("mien"),
        token_needed=token is not None,
        stores=tuple(stores),
        golden_difference=float(np.abs(recognizer.classifier.predict(golden.crops) - golden.probabilities).max()),
        model_file=bundle_archive(recognizer.bundle.source),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="mien",
        version=state.version,
        summary="Expression labels for the faces in photos: what people would call a face, not what someone feels.",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.mien = state
    app.add_middleware(Guard, metrics=metrics, token=token, hosts=None if hosts is None else tuple(hosts))
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(MienError, _mien_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.include_router(_router)
    if static.is_dir():
        # Not mounted: a mount of everything would answer for a route that takes another method.
        app.router.default = _Page(directory=static, html=True)
    return app


async def _no_other_options(request: Request) -> None:
    """Refuse what would be dropped in silence: options that the route does not know, or that are said twice."""
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    said = [name for name, _ in request.query_params.multi_items()]
    for name in said:
        if name not in known:
            raise ServiceError(422, f"There is no option {name[:100]!r} here. {did_you_mean(name[:100], known)}")
        if said.count(name) > 1:
            raise ServiceError(422, f"The option {name!r} is said twice.")


_router = APIRouter()
_OPTIONS = [Depends(_no_other_options)]


@_router.get("/health")
async def health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@_router.get("/metrics", response_class=PlainTextResponse, responses=_OF_ANY)
async def metrics(request: Request) -> Response:
    """Counters for Prometheus."""
    return Response(_state(request).service.metrics.text(), media_type=CONTENT_TYPE)


@_router.get("/v1/config", response_model=schema.ConfigShape, responses=_problems(403, 421))
async def config(request: Request) -> Response:
    """What a page must know before it asks for anything else; needs no token."""
    state = _state(request)
    limits = asdict(state.service.limits)
    return JSONResponse(
        {
            "server": True,
            "version": state.version,
            "token_needed": state.token_needed,
            "reports": bool(state.stores),
            "model": {
                "name": state.bundle.name,
                "identity": state.bundle.identity,
                "labels": list(state.bundle.label_set.expressions),
            },
            "limits": {name: limits[name] for name in schema.LimitsShape.model_fields},
        }
    )


@_router.post("/v1/session", status_code=204, responses=_OF_ANY)
async def session(request: Request) -> Response:
    """Give a browser that has sent the token a cookie in its place, for links that carry no header."""
    response = Response(status_code=204)
    response.set_cookie(COOKIE, request.scope["mien_session"], httponly=True, samesite="strict")
    return response


@_router.post(
    "/v1/faces", dependencies=_OPTIONS, response_model=schema.FacesShape, responses=_OF_PHOTOS, openapi_extra=_BODY
)
async def faces(request: Request, labels: Labels = None, unsure: Unsure = None) -> Response:
    """The faces of photos and their labels: one photo as the body, or several as multipart/form-data.

    A file that is no picture is a result with the outcome "unreadable".
    """
    service = _state(request).service
    async with photos_of(request, service) as photos:
        results = await service.recognize(photos, labels=labels, unsure=unsure)
    return JSONResponse({"photos": [result.to_dict() for result in results]})


@_router.post(
    "/v1/explain", dependencies=_OPTIONS, response_class=Response, responses=_OF_PHOTOS | _PICTURE, openapi_extra=_BODY
)
async def explain(
    request: Request,
    face: Annotated[int | None, Query(ge=1, description="only this face, by its number in the result")] = None,
    label: Annotated[str | None, Query(description="explain this label; None for the most probable one")] = None,
    method: Annotated[str | None, Query(description="cam or occlusion; cam where the model allows it")] = None,
) -> Response:
    """The photo with its faces marked: orange speaks for the label, blue against it."""
    service = _state(request).service
    async with photos_of(request, service, most=1) as (photo,):
        picture = await service.explain(photo, label=label, face=face, method=method)
    return Response(picture, media_type="image/png")


@_router.post(
    "/v1/drawing", dependencies=_OPTIONS, response_class=Response, responses=_OF_PHOTOS | _PICTURE, openapi_extra=_BODY
)
async def drawing(request: Request, labels: Labels = None, unsure: Unsure = None) -> Response:
    """The photo with a frame and the label at each face."""
    service = _state(request).service
    async with photos_of(request, service, most=1) as (photo,):
        picture = await service.draw(photo, labels=labels, unsure=unsure)
    return Response(picture, media_type="image/png")


@_router.get("/v1/model", response_model=schema.ModelShape, responses=_OF_ANY)
async def model(request: Request) -> Response:
    """The model, its card, and how far it is from its golden example."""
    state = _state(request)
    bundle = state.bundle
    return JSONResponse(
        {
            "name": bundle.name,
            "fingerprint": bundle.fingerprint,
            "identity": bundle.identity,
            "labels": list(bundle.label_set.expressions),
            "crop_rule": bundle.crop_rule.to_json(),
            "temperature": bundle.temperature,
            "unsure": None if bundle.unsure is None else asdict(bundle.unsure),
            "map": "cam" if state.service.recognizer.classifier.has_features else "occlusion",
            "golden": {
                "count": len(bundle.golden.crops),
                "tolerance": GOLDEN_TOLERANCE,
                "difference": state.golden_difference,
            },
            "card": dict(bundle.card),
            "card_text": card_markdown(bundle.name, bundle.card),
        }
    )


Who = Annotated[str, Query(max_length=200)]


@_router.get("/v1/notice", responses=_problems(403, 421, 422))
async def notice_json(request: Request, name: Who = "", purpose: Who = "", contact: Who = "") -> dict[str, Any]:
    """What people must be told, for the page and for those who use the service."""
    return notice(_state(request).bundle, Deployer(name, purpose, contact))


@_router.get("/notice", response_class=HTMLResponse, responses=_problems(403, 421, 422))
async def notice_html(request: Request, name: Who = "", purpose: Who = "", contact: Who = "") -> Response:
    """The notice as a page for the screen and for paper."""
    content = notice(_state(request).bundle, Deployer(name, purpose, contact))
    return HTMLResponse(notice_page(content), headers={"Content-Security-Policy": PAGE_POLICY})


@_router.get("/v1/reports", response_model=schema.ReportsShape, responses=_OF_ANY)
def reports(request: Request) -> Response:
    """The reports of the stores that are served."""
    return JSONResponse({"reports": [report.to_dict() for report in find_reports(_state(request).stores)]})


@_router.get("/reports/{name}/{path:path}", include_in_schema=False)
async def report(request: Request, name: str, path: str) -> Response:
    """A file of a report."""
    return await report_file(_state(request).stores, name, path, request.scope)


@_router.get("/model/default.mien", include_in_schema=False)
async def model_file(request: Request) -> Response:
    """The bundle, for the page's own runtime."""
    return _unchanging(request, _state(request).model_file, "application/zip")


@_router.get("/model/yunet.onnx", include_in_schema=False)
async def detector_file(request: Request) -> Response:
    """The face detector, for the page's own runtime."""
    return _unchanging(request, bytes(_state(request).service.recognizer.detector.model), "application/octet-stream")


@_router.get("/v2")
async def protocol(request: Request) -> dict[str, Any]:
    """The server, in the words of the open inference protocol."""
    return open_inference.server_metadata(_state(request).version)


@_router.get("/v2/health/live")
@_router.get("/v2/health/ready")
async def ready() -> dict[str, bool]:
    """Whether the model can be asked: always, because the service starts with it."""
    return {"ready": True}


@_router.get("/v2/models/{name}")
async def protocol_model(request: Request, name: str) -> dict[str, Any]:
    """The model, in the words of the open inference protocol."""
    return open_inference.model_metadata(_bundle_named(request, name))


@_router.get("/v2/models/{name}/ready")
async def protocol_model_ready(request: Request, name: str) -> dict[str, Any]:
    """Whether a model can be asked."""
    return {"name": _bundle_named(request, name).name, "ready": True}


@_router.post("/v2/models/{name}/infer", responses=_problems(413, 429, 503))
async def infer(request: Request, name: str) -> Response:
    """Probabilities for faces that are cut out already."""
    bundle = _bundle_named(request, name)
    service = _state(request).service
    with service.place():
        async with chunks_of(request, service, service.limits.photo_bytes) as chunks:
            content = b"".join([chunk async for chunk in chunks])
            parsed: dict[str, Any] = {}

            def crops() -> Any:
                parsed.update(open_inference.parse_request(content))
                return open_inference.crops_of(parsed, service.limits.crops, bundle.channels)

            found = await service.recognize_crops(crops)
    return JSONResponse(open_inference.response(bundle, parsed, found))


# Elsewhere the machine is asked, and many a Windows calls scripts plain text, which browsers then do not run.
_KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
}


class _Page(StaticFiles):
    """The page. A browser asks at every load whether a file has changed, so that an update is seen at once."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        kind = _KINDS.get(Path(arguments[0]).suffix)
        if kind is not None and "Content-Type" in response.headers:
            response.headers["Content-Type"] = kind
        return response


def _state(request: Request) -> _State:
    state: _State = request.app.state.mien
    return state


def _bundle_named(request: Request, name: str) -> Bundle:
    bundle = _state(request).bundle
    if name != bundle.name:
        raise ServiceError(404, f"This service has one model, {bundle.name}.")
    return bundle


def _unchanging(request: Request, content: bytes, media_type: str) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


async def _service_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ServiceError):
        raise error
    return problem(request.url.path, error)


async def _mien_error(request: Request, error: Exception) -> Response:
    """What was sent cannot be used as it was asked for. Errors of the machine itself go on, and become a 500."""
    if isinstance(error, ImageError):
        return problem(request.url.path, ServiceError(422, str(error), code="unreadable"))
    if isinstance(error, (DataError, BundleError)):
        return problem(request.url.path, ServiceError(422, str(error)))
    raise error


async def _validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "query")
    return problem(request.url.path, ServiceError(422, f"{where}: {first['msg']}."))


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    words = {404: "There is nothing here.", 405: "This address takes another method."}
    message = words.get(error.status_code, str(error.detail))
    return problem(request.url.path, ServiceError(error.status_code, message, headers=error.headers))
