"""The service's functions on AWS Lambda: the API, the S3 event handler, the inspection, what runs by the clock, and the
migration."""

from logging import Logger
from typing import Any, cast

from chalice.app import Chalice, CloudWatchEvent, Rate, S3Event, SQSEvent

from chalicelib import middleware, snapshot
from chalicelib.aws import tokens
from chalicelib.config import settings
from chalicelib.database import engine
from chalicelib.events import housekeeping, inspection, migration, reconciliation, storage
from chalicelib.events import purge as purging
from chalicelib.routes.access_log import access_log
from chalicelib.routes.images import images
from chalicelib.routes.route import CORS
from chalicelib.routes.search import search
from chalicelib.routes.tags import tags
from chalicelib.routes.upload import RAW_TYPES, upload
from chalicelib.telemetry import SERVICE, logger

app = Chalice(app_name=SERVICE, configure_logs=False)
app.log = cast("Logger", logger)
app.api.cors = CORS
app.api.binary_types = RAW_TYPES

for blueprint in (images, upload, tags, search, access_log):
    app.register_blueprint(blueprint)

engine.passwords_from(tokens.database_token)
snapshot.register()

app.register_middleware(middleware.observe, "http")
app.register_middleware(middleware.answer_problems, "http")


@app.on_s3_event(bucket=settings().image_bucket, events=["s3:ObjectCreated:*", "s3:ObjectRemoved:*"])
def record_storage_event(event: S3Event) -> None:
    storage.take_in(event.to_dict()["Records"])


@app.on_sqs_message(queue="inspections", batch_size=1)
def inspect(event: SQSEvent) -> None:
    inspection.inspect(event.to_dict()["Records"])


@app.schedule(Rate(5, unit=Rate.MINUTES))
def reconcile(_: CloudWatchEvent) -> None:
    reconciliation.reconcile()


@app.schedule(Rate(1, unit=Rate.MINUTES))
def tidy(_: CloudWatchEvent) -> None:
    housekeeping.tidy()


@app.schedule(Rate(10, unit=Rate.MINUTES))
def purge(_: CloudWatchEvent) -> None:
    purging.purge()


@app.lambda_function()
def migrate(_: dict[str, Any], __: Any) -> None:
    migration.migrate()
