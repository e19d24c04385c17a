"""Which function may do what, and what it is told: on one page."""

from aws_cdk import aws_dynamodb
from aws_cdk.aws_iam import PolicyStatement

from infrastructure import resources, roles
from infrastructure.stack.database import Database
from infrastructure.stack.functions import API, INSPECT, MIGRATE, PURGE, RECONCILE, STORAGE, TIDY, Functions
from infrastructure.stack.inspections import Inspections
from infrastructure.stack.network import Network
from infrastructure.stack.storage import ImageBucket
from infrastructure.stack.users import Users

READ_OBJECTS = ["s3:GetObject"]
WRITE_OBJECTS = ["s3:PutObject", "s3:ListMultipartUploadParts"]
DELETE_OBJECTS = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"]
LIST_OBJECTS = ["s3:ListBucket"]
LIST_VERSIONS = ["s3:ListBucketVersions"]


def settle(
    functions: Functions,
    bucket: ImageBucket,
    table: aws_dynamodb.Table,
    database: Database,
    users: Users,
    network: Network,
    inspections: Inspections,
) -> None:
    for name in (API, STORAGE, RECONCILE, TIDY, PURGE, INSPECT):
        database.let_in(functions.by_name[name].role, roles.SERVICE)
        _tell(functions, name, bucket, table, users, database.url(roles.SERVICE))
    database.let_in(functions.by_name[MIGRATE].role, roles.MIGRATOR)
    _tell(functions, MIGRATE, bucket, table, users, database.url(roles.MIGRATOR))
    for name in (STORAGE, RECONCILE, INSPECT):
        _objects(functions, name, bucket, READ_OBJECTS)
    _objects(functions, API, bucket, READ_OBJECTS + WRITE_OBJECTS)
    _objects(functions, PURGE, bucket, READ_OBJECTS + DELETE_OBJECTS, LIST_OBJECTS + LIST_VERSIONS)
    _previews(functions, bucket)
    for name in (STORAGE, RECONCILE):
        _ask_for_inspections(functions, name, inspections)
    _access_log(functions, table)
    on_objects = sorted({*READ_OBJECTS, *WRITE_OBJECTS, *DELETE_OBJECTS})
    network.open(
        {
            bucket.arn: LIST_OBJECTS + LIST_VERSIONS,
            f"{bucket.arn}/images/*": on_objects,
            f"{bucket.arn}/previews/*": sorted({"s3:GetObject", "s3:PutObject", *DELETE_OBJECTS}),
        },
        {table.table_arn: ["dynamodb:PutItem"], f"{table.table_arn}/index/*": ["dynamodb:Query"]},
        {inspections.queue.queue_arn: ["sqs:SendMessage"]},
    )


def _objects(
    functions: Functions, name: str, bucket: ImageBucket, actions: list[str], listing: list[str] = LIST_OBJECTS
) -> None:
    role = functions.by_name[name].role
    role.add_to_policy(PolicyStatement(actions=actions, resources=[f"{bucket.arn}/images/*"]))
    # Without it S3 answers 403, not 404, for an object that is not there.
    role.add_to_policy(PolicyStatement(actions=listing, resources=[bucket.arn]))
    uses = ["kms:Decrypt"] + (["kms:GenerateDataKey"] if "s3:PutObject" in actions else [])
    role.add_to_policy(PolicyStatement(actions=uses, resources=[bucket.key.key_arn]))


def _previews(functions: Functions, bucket: ImageBucket) -> None:
    """The inspection makes them, the API signs the URLs by which they are seen, the purge takes them at last."""
    previews = f"{bucket.arn}/previews/*"
    role = functions.by_name[INSPECT].role
    role.add_to_policy(PolicyStatement(actions=["s3:PutObject"], resources=[previews]))
    role.add_to_policy(PolicyStatement(actions=["kms:GenerateDataKey"], resources=[bucket.key.key_arn]))
    functions.api.role.add_to_policy(PolicyStatement(actions=READ_OBJECTS, resources=[previews]))
    purge = functions.by_name[PURGE].role
    purge.add_to_policy(PolicyStatement(actions=["s3:DeleteObject", "s3:DeleteObjectVersion"], resources=[previews]))


def _ask_for_inspections(functions: Functions, name: str, inspections: Inspections) -> None:
    one = functions.by_name[name]
    one.role.add_to_policy(PolicyStatement(actions=["sqs:SendMessage"], resources=[inspections.queue.queue_arn]))
    functions.set(name, {"INSPECTION_QUEUE": inspections.queue.queue_url})


def _access_log(functions: Functions, table: aws_dynamodb.Table) -> None:
    """Lets the API add entries and look them up, not update or delete one. (BatchWriteItem would allow to delete.)

    PutItem replaces an item that has the same key, and IAM has no permission that only adds: so an entry can be written
    over by code that runs with this role and knows its request id. Point-in-time recovery has the former one."""
    role = functions.api.role
    indexes = [f"{table.table_arn}/index/{name}" for name in resources.ACCESS_LOG_INDEXES]
    role.add_to_policy(PolicyStatement(actions=["dynamodb:PutItem"], resources=[table.table_arn]))
    role.add_to_policy(PolicyStatement(actions=["dynamodb:Query"], resources=indexes))


def _tell(
    functions: Functions, name: str, bucket: ImageBucket, table: aws_dynamodb.Table, users: Users, url: str
) -> None:
    functions.set(
        name,
        {
            "DATABASE_URL": url,
            "IMAGE_BUCKET": bucket.name,
            "ACCESS_LOG_TABLE": table.table_name,
            "USER_POOL_ARN": users.pool.user_pool_arn,
            "ALLOWED_ORIGIN": functions.allowed_origin,
        },
    )
