"""What the checkers find and we accept, each with its reason. They fail the synthesis over anything else."""

import re
from typing import NamedTuple

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations

from infrastructure import stages

FUNCTIONS = "(Api|RecordStorageEvent|Reconcile|Tidy|Purge|Migrate|Inspect)"
ROLES = f"{FUNCTIONS}Role/DefaultPolicy"
OF_CDK = "(AWS679f.*|AWSCDK.TriggerCustomResourceProvider.*)"
"""Functions that CDK brings along to make the database's users and to start the migration; they run on deployment."""


NAMES = ("app", "record_storage_event", "reconcile", "tidy", "purge", "migrate", "inspect")
GROUPS_OF_AWS = "arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group"
NAMES_BY_AWS = (
    "/aws/rds/cluster/<DatabaseB269D8BB>/postgresql",
    "/aws/rds/proxy/<ProxyCB0DFB71>",
    "/aws/lambda/<AWSCDKTriggerCustomResourceProviderCustomResourceProviderHandler97BECD91>",
    "API-Gateway-Execution-Logs_<Gateway43CB3636>/v1",
)
LOG_GROUPS = f"{GROUPS_OF_AWS}:/tagged-image-manager/STAGE"
IMAGES = "arn:<AWS::Partition>:s3:::BUCKET"
OF_AWS = "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role"
BASIC = f"{OF_AWS}/AWSLambdaBasicExecutionRole]"
PUSH = f"{OF_AWS}/AmazonAPIGatewayPushToCloudWatchLogs]"


class Finding(NamedTuple):
    where: str
    """Paths of constructs within the stack."""
    rules: str
    """Of cdk-nag or, beginning with CKV, of checkov."""
    reason: str


ACCEPTED = [
    Finding(
        "Users", "AwsSolutions-COG2", "Every user may set up a second factor; whether all must, the operator says."
    ),
    Finding("Users", "AwsSolutions-COG8", "The Plus plan costs per user; nobody can sign up, and passwords are long."),
    Finding(ROLES, "AwsSolutions-IAM5[Resource::*] CKV_AWS_111", "EC2 narrows none of the calls that make interfaces."),
    Finding(
        ROLES,
        " ".join(f"AwsSolutions-IAM5[Resource::{LOG_GROUPS}/{name}:*]" for name in NAMES),
        "The streams of the function's own log group, whose names Lambda makes up.",
    ),
    Finding(
        ROLES,
        f"AwsSolutions-IAM5[Resource::{IMAGES}/images/*]",
        "Any image, in the one bucket, under the one prefix.",
    ),
    Finding(
        ROLES,
        f"AwsSolutions-IAM5[Resource::{IMAGES}/previews/*]",
        "Any preview, in the one bucket, under the one prefix.",
    ),
    Finding(
        FUNCTIONS,
        "AwsSolutions-L1 Serverless-LambdaLatestVersion",
        "Python 3.13 is what every wheel is there for, and what the tests run.",
    ),
    Finding(
        FUNCTIONS,
        "Serverless-LambdaTracing",
        "The tracer is 17 MB of the package; request ids, the two logs and the metrics tell what is needed.",
    ),
    Finding(
        f"{FUNCTIONS}Live/EventInvokeConfig",
        "Serverless-LambdaAsyncFailureDestination",
        "The function's dead-letter queue is that end.",
    ),
    Finding("Inspect", "Serverless-LambdaDLQ CKV_AWS_116", "The queue that feeds it has the dead letters."),
    Finding(
        "InspectLive/SqsEventSource.*",
        "Serverless-LambdaEventSourceMappingDestination",
        "A queue takes none; what fails goes to its dead letters.",
    ),
    Finding(
        "IdentifierKey",
        "AwsSolutions-SMG4 CKV2_AWS_57",
        "With another key the hashes would be others, and one study's images no longer found together.",
    ),
    Finding("(Api|Migrate)", "Serverless-LambdaDLQ CKV_AWS_116", "Its caller waits, and gets the error."),
    Finding(
        FUNCTIONS,
        "CKV_AWS_115",
        "Reserved in staging and prod; an account that is as new as dev's may be has nothing to reserve.",
    ),
    Finding(
        ".*DeadLetters",
        "AwsSolutions-SQS3 Serverless-SQSRedrivePolicy",
        "It is the dead-letter queue; what lies in it waits for a person.",
    ),
    Finding(
        "Gateway/DeploymentStage.v1",
        "Serverless-APIGWXrayEnabled CKV_AWS_73",
        "As for the functions: the access log has the latency of gateway and function.",
    ),
    Finding(
        "Gateway/DeploymentStage.v1",
        "CKV_AWS_120",
        "What a write has answered the next search finds: answers must not be kept.",
    ),
    Finding(
        "Gateway/DeploymentStage.v1",
        "AwsSolutions-APIG3 CKV2_AWS_29",
        "Dev has no firewall, to save its price; the other stages have one.",
    ),
    Finding("Gateway", "AwsSolutions-APIG2", "The function validates, and names what is wrong; the gateway would not."),
    Finding(
        "Gateway/CloudWatchRole",
        PUSH,
        "API Gateway asks for this policy of AWS's; it is the account's, not the API's.",
    ),
    Finding("Gateway/CloudWatchRole", "CKV_AWS_111", "As AWS wrote it."),
    Finding("BucketLogs", "CKV_AWS_18", "Access logs of the access logs would go on for ever."),
    Finding("BucketLogs", "AwsSolutions-S1", "Access logs of the access logs would go on for ever."),
    Finding(
        "Database.*",
        "CKV_AWS_118",
        "Performance Insights and the database's own metrics tell enough; no process runs beside it.",
    ),
    Finding("Database.*", "AwsSolutions-RDS10 CKV_AWS_139", "Dev and staging may be destroyed with all they hold."),
    Finding("Database.*", "AwsSolutions-RDS6", "The users sign in by IAM; the master user's password RDS keeps."),
    Finding("Vpc", "CKV2_AWS_12", "Nothing is in the default group, and nothing gets in or out of the VPC."),
    Finding(
        f"{OF_CDK}",
        f"{BASIC} AwsSolutions-L1 Serverless-LambdaDLQ Serverless-LambdaTracing Serverless-LambdaLatestVersion"
        " Serverless-LambdaDefaultMemorySize CKV_AWS_115 CKV_AWS_116 CKV_AWS_117 CKV_AWS_173",
        "CDK's own; CloudFormation calls it while it deploys, waits for its answer, and fails with it.",
    ),
    Finding(
        f"{OF_CDK}",
        "AwsSolutions-IAM5",
        "CDK's own: it may start every version of the migration.",
    ),
    Finding(
        "AwsLog.*",
        " ".join(f"AwsSolutions-IAM5[Resource::{GROUPS_OF_AWS}:{name}:*]" for name in NAMES_BY_AWS),
        "The one log group: permissions name it with an asterisk at the end.",
    ),
    Finding(
        "Alarms", "Serverless-SNSRedrivePolicy", "Undelivered mail is not queued: alarms stay visible in CloudWatch."
    ),
]


def accept(stack: Stack, stage: stages.Stage) -> None:
    bucket = stage.bucket or f"tagged-image-manager-{stage.name}-images-<AWS::AccountId>"
    for construct in stack.node.find_all():
        found = _accepted(construct.node.path.removeprefix(f"{stack.node.path}/"))
        for rule, reason in found:
            if not rule.startswith("CKV"):
                named = rule.replace("BUCKET", bucket).replace("STAGE", stage.name)
                of_stage = Acknowledgment(id=named, reason=reason)
                Validations.of(construct).acknowledge(of_stage)
        skipped = [{"id": rule, "comment": reason} for rule, reason in found if rule.startswith("CKV")]
        if skipped and isinstance(construct, CfnResource):
            construct.add_metadata("checkov", {"skip": skipped})


def _accepted(path: str) -> list[tuple[str, str]]:
    """Rules and reasons for a construct."""
    matching = [finding for finding in ACCEPTED if re.fullmatch(f"{finding.where}(/.*)?", path)]
    return [(rule, finding.reason) for finding in matching for rule in finding.rules.split()]
