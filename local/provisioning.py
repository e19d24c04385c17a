"""Everything the service needs in AWS, made in the emulator where it is not there yet."""

import json
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infrastructure import resources
from local import emulator, user_pool

BUCKET = "tagged-image-manager-images"
ACCESS_LOG_TABLE = "tagged-image-manager-access-log"
QUEUE = "storage-events"
INSPECTIONS = "inspections"


class Clients:
    """Made while the emulator is still starting: it takes longer than the calls."""

    def __init__(self, endpoint: str, credentials: emulator.Credentials) -> None:
        session = boto3.Session(region_name=emulator.REGION, **credentials)
        config = Config(retries={"mode": "standard"}, s3={"addressing_style": "path"})
        self.s3 = session.client("s3", endpoint_url=endpoint, config=config)
        self.sqs = session.client("sqs", endpoint_url=endpoint, config=config)
        self.dynamodb = session.client("dynamodb", endpoint_url=endpoint, config=config)
        self.cognito = session.client("cognito-idp", endpoint_url=endpoint, config=config)

    def close(self) -> None:
        for client in (self.s3, self.sqs, self.dynamodb, self.cognito):
            client.close()


def provision(clients: Clients, endpoint: str, passwords: dict[str, str], callback: str) -> dict[str, Any]:
    """Safe to repeat. Answers with what stack.json says of it."""
    queue, dead_letters = _queue(clients.sqs, QUEUE, resources.STORAGE_EVENT_TRIES, _let_s3_in())
    inspections, failed_inspections = _queue(clients.sqs, INSPECTIONS, resources.INSPECTION_TRIES)
    _bucket(clients.s3)
    _access_log(clients.dynamodb)
    return {
        "region": emulator.REGION,
        "aws_endpoint_url": endpoint,
        "bucket": BUCKET,
        "storage_event_queue": queue,
        "storage_event_dead_letters": dead_letters,
        "inspection_queue": inspections,
        "inspection_dead_letters": failed_inspections,
        "access_log_table": ACCESS_LOG_TABLE,
        "token_url": f"{endpoint}/oauth2/token",
        **user_pool.provision(clients.cognito, passwords, callback),
    }


def _arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{emulator.REGION}:{emulator.ACCOUNT}:{name}"


def _queue(sqs: Any, name: str, tries: int, more: dict[str, str] | None = None) -> tuple[str, str]:
    """It and its dead letters."""
    dead_letters = sqs.create_queue(QueueName=f"{name}-dead-letters")["QueueUrl"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn("sqs", f"{name}-dead-letters"), "maxReceiveCount": tries}
    attributes = {"VisibilityTimeout": "30", "RedrivePolicy": json.dumps(redrive), **(more or {})}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)
    return queue, dead_letters


def _let_s3_in() -> dict[str, str]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": _arn("sqs", QUEUE),
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{BUCKET}"}},
    }
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


def _bucket(s3: Any) -> None:
    try:
        s3.head_bucket(Bucket=BUCKET)
    except ClientError:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": emulator.REGION})
    everything = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(everything, True))
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": resources.bucket_cors(["*"])})
    # Each setting of it sends an s3:TestEvent, as on AWS.
    images = {"Key": {"FilterRules": [{"Name": "prefix", "Value": resources.STORED_IMAGES}]}}
    wanted = {"QueueArn": _arn("sqs", QUEUE), "Events": list(resources.STORAGE_EVENTS), "Filter": images}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [wanted]})


def _access_log(dynamodb: Any) -> None:
    if ACCESS_LOG_TABLE not in dynamodb.list_tables()["TableNames"]:
        dynamodb.create_table(
            TableName=ACCESS_LOG_TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": kind} for name, kind in resources.ACCESS_LOG_KEYS.items()
            ],
            KeySchema=_key_schema(resources.ACCESS_LOG_PRIMARY_KEY),
            GlobalSecondaryIndexes=[
                {"IndexName": name, "KeySchema": _key_schema(keys), "Projection": {"ProjectionType": "ALL"}}
                for name, keys in resources.ACCESS_LOG_INDEXES.items()
            ],
        )
    ttl = dynamodb.describe_time_to_live(TableName=ACCESS_LOG_TABLE)["TimeToLiveDescription"]
    if ttl.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        specification = {"Enabled": True, "AttributeName": resources.ACCESS_LOG_TTL}
        dynamodb.update_time_to_live(TableName=ACCESS_LOG_TABLE, TimeToLiveSpecification=specification)


def _key_schema(keys: tuple[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=True)]
