"""Accounts with one fault each: the check that finds it, the answers that differ from a good account, and words of what
it says."""

from infrastructure.account import quotas
from tests.infrastructure.account.recorded import ACCOUNT, INSTANCE, REGION, limits, quota, zone
from tests.infrastructure.account.wire import Answer, Operation, Refusal

Answers = dict[Operation, Answer]


def only(code: str, value: float) -> Answer:
    """A quota that is lower than the others."""
    return lambda asked: quota(asked, value if asked["QuotaCode"] == code else 1000)


NAME = f"tagged-image-manager-prod-images-{ACCOUNT}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
FAULTS: dict[str, tuple[str, Answers, list[str]]] = {
    "not bootstrapped": ("bootstrap version", {("ssm", "GetParameter"): Refusal("ParameterNotFound")}, ["none", "cdk"]),
    "old bootstrap": (
        "bootstrap version",
        {("ssm", "GetParameter"): {"Parameter": {"Name": "n", "Value": "5"}}},
        ["version 5", "version 6"],
    ),
    "new account": (
        "Lambda concurrency",
        {("lambda", "GetAccountSettings"): limits(10, 10)},
        ["10 concurrent executions", "10 of them not reserved", "to reserve", "request an increase"],
    ),
    "full code storage": (
        "Lambda code storage",
        {("lambda", "GetAccountSettings"): limits(used=80530636000)},
        ["80,530,636,000 of 80,530,636,800", "infrastructure.prune"],
    ),
    "one zone": (
        "number of zones",
        {("ec2", "DescribeAvailabilityZones"): {"AvailabilityZones": [zone("a", "euc1-az1")]}},
        ["1 (eu-central-1a)", "needed: 2"],
    ),
    "default subnets in one zone": (
        "number of zones",
        {("ec2", "DescribeSubnets"): {"Subnets": [{"AvailabilityZone": f"{REGION}b"}]}},
        ["1 (eu-central-1b)", "needed: 2"],
    ),
    "zone without RDS Proxy": (
        "zones of RDS Proxy",
        {
            ("ec2", "DescribeAvailabilityZones"): {
                "AvailabilityZones": [zone("a", "use1-az3"), zone("b", "use1-az1"), zone("c", "use1-az2")]
            }
        },
        ["eu-central-1a, which is use1-az3"],
    ),
    "endpoint in one zone": (
        "zones of VPC endpoints",
        {("ec2", "DescribeVpcEndpointServices"): {"ServiceDetails": [{"AvailabilityZones": [f"{REGION}a"]}]}},
        ["com.amazonaws.eu-central-1.sqs", "none in eu-central-1b"],
    ),
    "no endpoint": (
        "zones of VPC endpoints",
        {("ec2", "DescribeVpcEndpointServices"): Refusal("InvalidServiceName")},
        ["none in eu-central-1a, eu-central-1b"],
    ),
    "older engines only": (
        "version of Aurora",
        {
            ("rds", "DescribeDBEngineVersions"): lambda asked: {
                "DBEngineVersions": []
                if "EngineVersion" in asked
                else [{"Engine": "aurora-postgresql", "EngineVersion": "17.9"}]
            }
        },
        ["17.9", "needed: version 18.4"],
    ),
    "smaller capacity": (
        "version of Aurora",
        {
            ("rds", "DescribeDBEngineVersions"): {
                "DBEngineVersions": [{"ServerlessV2FeaturesSupport": {"MinCapacity": 0.0, "MaxCapacity": 16.0}}]
            }
        },
        ["at most 16 units", "32 units"],
    ),
    "no instance in a zone": (
        "zones of Aurora",
        {
            ("rds", "DescribeOrderableDBInstanceOptions"): {
                "OrderableDBInstanceOptions": [INSTANCE | {"AvailabilityZones": [{"Name": f"{REGION}a"}]}]
            }
        },
        ["db.serverless", "none in eu-central-1b"],
    ),
    "domain of another account": (
        "sign-in domain",
        {("cognito-idp", "DescribeUserPoolDomain"): {"DomainDescription": {"AWSAccountId": "444455556666"}}},
        ["by account 444455556666", f"tagged-image-manager-prod-{ACCOUNT}"],
    ),
    "domain left over": (
        "sign-in domain",
        {("cognito-idp", "DescribeUserPoolDomain"): {"DomainDescription": {"AWSAccountId": ACCOUNT}}},
        ["by this account", "delete-user-pool-domain"],
    ),
    "bucket left over": ("buckets", {("s3", "ListBuckets"): {"Buckets": [{"Name": NAME}]}}, [NAME, "import it"]),
    "bucket of another account": ("buckets", {("s3", "HeadBucket"): Refusal("403", 403)}, ["other than this"]),
    "log groups left over": (
        "log groups",
        {("logs", "DescribeLogGroups"): {"logGroups": [{"logGroupName": "/tagged-image-manager/prod/app"}]}},
        ["/tagged-image-manager/prod/app", "free"],
    ),
    "proxy left over": (
        "database proxies",
        {("rds", "DescribeDBProxies"): {"DBProxies": [{"DBProxyName": "tagged-image-manager-prod"}]}},
        ["tagged-image-manager-prod"],
    ),
    "alarm left over": (
        "alarms",
        {("cloudwatch", "DescribeAlarms"): {"MetricAlarms": [{"AlarmName": "tagged-image-manager-prod-ServerErrors"}]}},
        ["tagged-image-manager-prod-ServerErrors"],
    ),
    "dashboard left over": (
        "dashboards",
        {("cloudwatch", "ListDashboards"): {"DashboardEntries": [{"DashboardName": "tagged-image-manager-prod"}]}},
        ["tagged-image-manager-prod"],
    ),
    "key left over": (
        "resources left over",
        {
            ("resourcegroupstaggingapi", "GetResources"): {"ResourceTagMappingList": [{"ResourceARN": KEY}]},
            ("kms", "DescribeKey"): {"KeyMetadata": {"KeyId": "1", "KeyState": "Enabled"}},
        },
        [KEY],
    ),
    "snapshot left over": (
        "resources left over",
        {
            ("resourcegroupstaggingapi", "GetResources"): {
                "ResourceTagMappingList": [{"ResourceARN": f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster-snapshot:last"}]
            }
        },
        ["cluster-snapshot:last", "restore from them"],
    ),
    "role of others": (
        "API Gateway's role for logs",
        {("apigateway", "GetAccount"): {"cloudwatchRoleArn": f"arn:aws:iam::{ACCOUNT}:role/others"}},
        ["role/others", "update-account"],
    ),
}
FAULTS.update(
    {
        f"quota {one.name}": (
            f"quota {one.name}",
            {("service-quotas", "GetServiceQuota"): only(one.code, 0)},
            [one.code, "of 0", "more"],
        )
        for one in quotas.QUOTAS
    }
)
