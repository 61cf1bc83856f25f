"""The shape of what the service answers, for OpenAPI. The values themselves come from `to_dict` of the results."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mien.inference.results import Outcome


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BoxShape(_Shape):
    """A face's rectangle, in pixels of the upright photo; it may reach beyond it."""

    x: float
    y: float
    width: float
    height: float


class FaceShape(_Shape):
    """One face."""

    id: int = Field(ge=1, description="1 for the first face in reading order")
    area_rank: int = Field(ge=1, description="1 for the largest face of the photo")
    outcome: Outcome
    label: str | None = Field(description="what people would call the face; null unless the outcome is ok")
    probability: float | None = Field(ge=0, le=1, description="of the most probable label, however unsure")
    mixture: dict[str, float] = Field(
        description="the two most probable labels with their probabilities where the outcome is mixed; empty otherwise"
    )
    probabilities: dict[str, float] = Field(description="sum to 1; empty for a face that is too small")
    box: BoxShape
    landmarks: dict[str, tuple[float, float]]
    score: float = Field(ge=0, le=1, description="the detector's confidence")
    distance: float | None = Field(
        ge=0,
        description="from the faces that the model learned from; above 1 the face is unlike them, and its "
        "probabilities say little. Null for a face that is too small, or where the model does not say",
    )


class PhotoShape(_Shape):
    """One photo, as in a line of `mien predict --json`."""

    schema_: int = Field(alias="schema")
    photo: str = Field(description="the last part of the file's name as it was sent, or 'photo'")
    outcome: Outcome
    reason: str = Field(description="one sentence for every outcome but ok")
    width: int
    height: int
    faces: list[FaceShape]
    notes: list[str]
    model: str = Field(description="name and fingerprint of the model")


class FacesShape(_Shape):
    """The photos of a request, in its order."""

    photos: list[PhotoShape]


class ErrorShape(_Shape):
    """What went wrong."""

    code: str = Field(description="one word for programs")
    message: str = Field(description="a sentence for people")


class ProblemShape(_Shape):
    """The answer to a request that is refused."""

    error: ErrorShape


class LimitsShape(_Shape):
    """What the service refuses."""

    photo_bytes: int
    body_bytes: int
    photos: int
    pixels: int


class ConfigModelShape(_Shape):
    """The model in short."""

    name: str
    identity: str
    labels: list[str]


class ConfigShape(_Shape):
    """What a page must know before it asks for anything else."""

    server: bool
    version: str
    token_needed: bool
    reports: bool
    model: ConfigModelShape
    limits: LimitsShape


class GoldenShape(_Shape):
    """The golden example: crops that the model must answer as it did when it was made."""

    count: int
    tolerance: float
    difference: float = Field(description="largest difference of a probability, measured when the service started")


class ModelShape(_Shape):
    """The model and its card."""

    name: str
    fingerprint: str
    identity: str
    labels: list[str]
    crop_rule: dict[str, Any]
    temperature: float
    unsure: dict[str, Any] | None
    map: str = Field(description="how maps are made: cam or occlusion")
    golden: GoldenShape
    card: dict[str, Any]
    card_text: str = Field(description="the card as Markdown")


class ReportShape(_Shape):
    """A study's report."""

    title: str
    url: str = Field(description="relative to the page")
    written: str


class ReportsShape(_Shape):
    """The reports of the stores that are served."""

    reports: list[ReportShape]
