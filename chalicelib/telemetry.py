"""Structured log, metrics, and the note of what a request touched."""

import os
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger

SERVICE = "tagged-image-manager"
NAMESPACE = "TaggedImageManager"

logger = Logger(service=SERVICE, utc=True, use_rfc3339=True)


@dataclass
class Touched:
    """Ids that the request named, made or changed, each once, in order; what a list merely shows is not among them."""

    image_ids: dict[int, None] = field(default_factory=dict)
    tag_ids: dict[int, None] = field(default_factory=dict)


_touched: ContextVar[Touched] = ContextVar("touched")


def begin() -> Touched:
    touched = Touched()
    _touched.set(touched)
    return touched


def touched() -> Touched:
    return _touched.get(None) or begin()


def touch(*, images: Iterable[int] = (), tags: Iterable[int] = ()) -> None:
    touched().image_ids.update(dict.fromkeys(images))
    touched().tag_ids.update(dict.fromkeys(tags))


def count(name: str, value: int = 1) -> None:
    """Writes a metric. Its dimensions are the service and the environment variable STAGE, so that the stages of one
    account have separate metrics."""
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(name=name, unit=MetricUnit.Count, value=value, namespace=NAMESPACE) as metric:
        metric.add_dimension(name="service", value=SERVICE)
        metric.add_dimension(name="stage", value=os.environ.get("STAGE") or "local")
