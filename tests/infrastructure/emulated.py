"""The dev template, as far as the emulator's CloudFormation takes it, with the database of the local stack."""

import copy
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psycopg2
from botocore.config import Config

from infrastructure.resources import MACHINE_SCOPES
from local import emulator
from local.emulator import ACCOUNT, REGION, Credentials
from local.front.rules import SERVED
from local.state import free_port, random_credentials
from local.tokens import machine_token

KEPT = (
    *("KMS", "SecretsManager", "S3", "DynamoDB", "SQS", "SNS", "Cognito", "Lambda", "IAM", "ApiGateway", "Logs"),
    *("Events", "CloudWatch"),
)
"""Services whose resources it makes; network, database and CDK's own functions stay away."""

REFUSE_HTTP = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
"""HTTP is what the emulator is spoken to here."""

SERVICES = (*SERVED, "cloudformation", "lambda", "apigateway", "sts", "iam", "secretsmanager", "logs")
"""That are called here; what CloudFormation makes of others, it makes without a call."""

OF_CDK = ("AWS679f", "AWSCDK", "AwsLog", "DatabaseUsers", "Vpc")
STACK = "tagged-image-manager-dev"
ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
PROXY = f"arn:aws:rds:{REGION}:{ACCOUNT}:db-proxy:prx-none"

DROPPED = {
    "TTL of the table": "test_the_local_table_has_the_keys_the_indexes_and_the_end_of_the_deployed_one",
    "point-in-time recovery, deletion protection": "test_what_prod_keeps_cannot_be_deleted_by_mistake",
    "dead letters of functions": "test_every_asynchronous_function_ends_in_a_queue_that_has_an_alarm",
    "that everything is spoken to over TLS": "test_buckets_and_queues_are_spoken_to_over_tls_only",
    "encryption by our key": "test_everything_at_rest_is_encrypted_by_the_one_key",
    "lifecycle of the bucket": "test_unfinished_uploads_and_old_versions_are_swept_away",
    "public access block": "test_nothing_is_public",
    "access log and throttling of the API": "test_the_gateway_throttles_and_logs",
    "VPC, subnets, security groups, endpoints": "test_the_subnets_lead_nowhere_but_to_s3_dynamodb_and_the_queue",
    "answers to OPTIONS": "test_browsers_may_ask_first_on_every_path",
    "who may invoke a function": "test_storage_events_wake_the_function_that_takes_them_by_its_alias",
    "the gateway's own answers, as part of the API's description": (
        "test_every_answer_of_the_gateway_itself_is_a_problem"
    ),
    "database, proxy, their users": "test_the_database_is_serverless_signs_in_by_iam_and_has_a_reader_where_asked",
    "the migration before the aliases": "test_new_code_takes_traffic_only_when_the_database_is_migrated",
    "log groups' retention": "test_every_log_ends_some_day",
}
"""What the emulator leaves out or takes whatever it says, and the claim about the template that stands for it."""


def adapted(template: dict[str, Any], database: str) -> dict[str, Any]:
    """Returns what the emulator takes of the template. Its functions use this database."""
    database_url = database.replace("postgresql://", "postgresql+psycopg2://")
    resources = {name: one for name, one in copy.deepcopy(template["Resources"]).items() if _is_kept(name, one["Type"])}
    gone = set(template["Resources"]) - set(resources)
    for resource in resources.values():
        depends = resource.get("DependsOn", [])
        resource["DependsOn"] = [one for one in ([depends] if isinstance(depends, str) else depends) if one not in gone]
        if resource["Type"] == "AWS::Lambda::Function":
            del resource["Properties"]["VpcConfig"]
            resource["Properties"]["Environment"]["Variables"]["DATABASE_URL"] = database_url
    return {"Resources": _without(gone, resources | _answers(resources)), "Outputs": template["Outputs"]}


def _is_kept(name: str, kind: str) -> bool:
    owner, service, *_ = kind.split("::")
    return owner == "AWS" and service in KEPT and kind not in REFUSE_HTTP and not name.startswith(OF_CDK)


def _answers(resources: dict[str, Any]) -> dict[str, Any]:
    """The gateway's own answers as resources: the emulator passes over them in the API's description."""
    ((name, api),) = [(name, one) for name, one in resources.items() if one["Type"] == "AWS::ApiGateway::RestApi"]
    return {
        f"Answer{kind.title().replace('_', '')}": {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {
                "RestApiId": {"Ref": name},
                "ResponseType": kind,
                "StatusCode": one["statusCode"],
                "ResponseParameters": one["responseParameters"],
                "ResponseTemplates": one["responseTemplates"],
            },
        }
        for kind, one in api["Properties"]["Body"]["x-amazon-apigateway-gateway-responses"].items()
    }


def _without(gone: set[str], value: Any) -> Any:
    """With something in the place of what refers to resources that are not there."""
    if isinstance(value, dict):
        if value.get("Ref") in gone:
            return "none"
        if "Fn::GetAtt" in value and value["Fn::GetAtt"][0] in gone:
            return PROXY
        return {name: _without(gone, each) for name, each in value.items()}
    return [_without(gone, each) for each in value] if isinstance(value, list) else value


@contextmanager
def running() -> Iterator[tuple[str, Credentials]]:
    """An emulator with data of its own: where it listens, and what to sign calls with."""
    with tempfile.TemporaryDirectory() as directory:
        home, credentials = Path(directory), random_credentials()
        process = emulator.start(home, free_port(None), home / "emulator.log", credentials, services=SERVICES)
        try:
            process.wait_until_ready()
            yield process.url, credentials
        finally:
            process.stop()


def new_database(stack: dict[str, Any], name: str) -> str:
    """Returns the address of an empty database in the PostgreSQL of the local stack."""
    connection = psycopg2.connect(stack["database_url"])
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return f"{stack['database_url'].rpartition('/')[0]}/{name}"


class Cloud:
    """The emulator's clients, and a stack that is deployed to it."""

    def __init__(self, url: str, credentials: Credentials, stack: str = STACK) -> None:
        self.url = url
        self.stack = stack
        self.outputs: dict[str, str] = {}
        self.environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": REGION,
            **{name.upper(): value for name, value in credentials.items()},
        }
        """Of a command that is to call it."""
        self._session = boto3.Session(region_name=REGION, **credentials)

    def client(self, service: str, session: boto3.Session | None = None) -> Any:
        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        return (session or self._session).client(service, endpoint_url=self.url, config=config)

    def deploy(self, template: dict[str, Any], assets: Path) -> None:
        self.create(template, assets)
        self._finish("CREATE_COMPLETE")

    def create(self, template: dict[str, Any], assets: Path) -> str:
        """Returns the status that the stack ends in."""
        self.client("cloudformation").create_stack(**self._upload(template, assets))
        return self.settled()

    def update(self, template: dict[str, Any], assets: Path) -> None:
        self.client("cloudformation").update_stack(**self._upload(template, assets))
        self.settled()
        self._finish("UPDATE_COMPLETE")

    def delete(self) -> str:
        """Returns the status that the stack ends in."""
        stack = self._described()["StackId"]  # a deleted one has no name any more
        self.client("cloudformation").delete_stack(StackName=self.stack)
        return self.settled(stack)

    def _upload(self, template: dict[str, Any], assets: Path) -> dict[str, Any]:
        s3 = self.client("s3")
        if ASSETS not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=ASSETS, CreateBucketConfiguration={"LocationConstraint": REGION})
        there = {one["Key"] for one in s3.list_objects_v2(Bucket=ASSETS).get("Contents", [])}
        for asset in assets.glob("asset.*.zip"):
            if (key := asset.name.removeprefix("asset.")) not in there:
                s3.upload_file(str(asset), ASSETS, key)
        s3.put_object(Bucket=ASSETS, Key="template.json", Body=json.dumps(template).encode())
        place = f"{self.url}/{ASSETS}/template.json"
        return {"StackName": self.stack, "TemplateURL": place, "Capabilities": ["CAPABILITY_IAM"]}

    def _finish(self, wanted: str) -> None:
        described = self._described()
        assert described["StackStatus"] == wanted, self._failures()
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}

    def _described(self, stack: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=stack or self.stack)["Stacks"][
            0
        ]
        return found

    def settled(self, stack: str | None = None) -> str:
        """Returns the status when nothing is in progress any more."""
        deadline = time.monotonic() + 60
        while True:
            status = str(self._described(stack)["StackStatus"])
            if not status.endswith("IN_PROGRESS") or time.monotonic() > deadline:
                return status

    def physical(self, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resource(
            StackName=self.stack, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    @property
    def api(self) -> str:
        """Where the emulator has the API."""
        api_id = self.outputs["ApiUrl"].removeprefix("https://").partition(".")[0]
        return f"{self.url}/restapis/{api_id}/v1/_user_request_"

    def machine(self, permission: str) -> dict[str, str]:
        pool, client = self.outputs["UserPoolId"], self.outputs[f"Machine{permission.title()}ClientId"]
        described = self.client("cognito-idp").describe_user_pool_client(UserPoolId=pool, ClientId=client)
        return {"client_id": client, "client_secret": described["UserPoolClient"]["ClientSecret"]}

    def token(self, scope: str) -> str:
        """Of the machine client with the least permission that has this scope."""
        machines = {name: self.machine(name) for name in MACHINE_SCOPES}
        stack = {"token_url": f"{self.url}/oauth2/token", "machines": machines}
        return machine_token(stack, [f"tagged-image-manager/{scope}"])

    def role_of(self, function: str) -> boto3.Session:
        """A session with the rights of a function's role, and no others."""
        arn = self.client("lambda").get_function_configuration(FunctionName=function)["Role"]
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="the-test")["Credentials"]
        return boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name=REGION)

    def _failures(self) -> list[str]:
        events = self.client("cloudformation").describe_stack_events(StackName=self.stack)["StackEvents"]
        return [
            f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}"
            for one in events
            if "FAILED" in one["ResourceStatus"]
        ]
