"""The answers of an account to which every stage can be deployed, and of one that has the stage already.

They have the fields that AWS documents, with its examples' values; wire.py refuses any that AWS does not have.
"""

from datetime import UTC, datetime
from typing import Any

from infrastructure.account.assembly import Assembly, text
from tests.infrastructure.account.wire import Answer, Operation, Refusal

ACCOUNT = "111122223333"
REGION = "eu-central-1"
ZONES = ("a", "b", "c")


def zone(letter: str, zone_id: str) -> dict[str, Any]:
    return {
        "State": "available",
        "RegionName": REGION,
        "ZoneName": f"{REGION}{letter}",
        "ZoneId": zone_id,
        "ZoneType": "availability-zone",
    }


def quota(parameters: dict[str, Any], value: float = 1000) -> dict[str, Any]:
    return {
        "Quota": {
            "ServiceCode": parameters["ServiceCode"],
            "QuotaCode": parameters["QuotaCode"],
            "QuotaName": "name",
            "Value": value,
            "Adjustable": True,
        }
    }


def limits(concurrent: int = 1000, unreserved: int = 1000, used: int = 0) -> dict[str, Any]:
    return {
        "AccountLimit": {
            "TotalCodeSize": 80530636800,
            "CodeSizeUnzipped": 262144000,
            "CodeSizeZipped": 52428800,
            "ConcurrentExecutions": concurrent,
            "UnreservedConcurrentExecutions": unreserved,
        },
        "AccountUsage": {"TotalCodeSize": used, "FunctionCount": 0},
    }


def _engine(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "Engine": asked["Engine"],
        "EngineVersion": asked["EngineVersion"],
        "Status": "available",
        "ServerlessV2FeaturesSupport": {"MinCapacity": 0.0, "MaxCapacity": 256.0},
    }


INSTANCE = {
    "Engine": "aurora-postgresql",
    "EngineVersion": "18.4",
    "DBInstanceClass": "db.serverless",
    "AvailabilityZones": [{"Name": f"{REGION}{letter}"} for letter in ZONES],
}
NO_STACK = Refusal("ValidationError", message="Stack with id tagged-image-manager does not exist")

GOOD: dict[Operation, Answer] = {
    ("sts", "GetCallerIdentity"): {
        "UserId": "AIDAEXAMPLE",
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/operator",
    },
    ("cloudformation", "DescribeStacks"): NO_STACK,
    ("ssm", "GetParameter"): {
        "Parameter": {"Name": "/cdk-bootstrap/hnb659fds/version", "Type": "String", "Value": "28", "Version": 1}
    },
    ("lambda", "GetAccountSettings"): limits(),
    ("ec2", "DescribeAvailabilityZones"): {
        "AvailabilityZones": [zone(letter, f"euc1-az{number}") for number, letter in enumerate(ZONES, 1)]
    },
    ("ec2", "DescribeSubnets"): {
        "Subnets": [
            {"SubnetId": f"subnet-{letter}", "AvailabilityZone": f"{REGION}{letter}", "DefaultForAz": True}
            for letter in ZONES
        ]
    },
    ("ec2", "DescribeVpcEndpointServices"): lambda asked: {
        "ServiceNames": asked["ServiceNames"],
        "ServiceDetails": [
            {
                "ServiceName": asked["ServiceNames"][0],
                "AvailabilityZones": [f"{REGION}{letter}" for letter in ZONES],
            }
        ],
    },
    ("ec2", "DescribeVpcs"): {"Vpcs": [{"VpcId": "vpc-1", "IsDefault": True}]},
    ("ec2", "DescribeVpcEndpoints"): {"VpcEndpoints": []},
    ("ec2", "DescribeNetworkInterfaces"): {"NetworkInterfaces": []},
    ("rds", "DescribeDBEngineVersions"): lambda asked: {"DBEngineVersions": [_engine(asked)]},
    ("rds", "DescribeOrderableDBInstanceOptions"): {"OrderableDBInstanceOptions": [INSTANCE]},
    ("rds", "DescribeDBClusters"): {"DBClusters": []},
    ("rds", "DescribeDBInstances"): {"DBInstances": []},
    ("rds", "DescribeDBProxies"): {"DBProxies": [{"DBProxyName": "another"}]},
    ("cognito-idp", "DescribeUserPoolDomain"): {"DomainDescription": {}},
    ("cognito-idp", "ListUserPools"): {"UserPools": []},
    ("s3", "ListBuckets"): {"Buckets": [{"Name": "another"}], "Owner": {"ID": "1"}},
    ("s3", "HeadBucket"): Refusal("404", 404),
    ("logs", "DescribeLogGroups"): {"logGroups": []},
    ("cloudwatch", "DescribeAlarms"): {"MetricAlarms": [], "CompositeAlarms": []},
    ("cloudwatch", "ListDashboards"): {"DashboardEntries": []},
    ("resourcegroupstaggingapi", "GetResources"): {"ResourceTagMappingList": [], "PaginationToken": ""},
    ("apigateway", "GetAccount"): {"throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0}},
    ("apigateway", "GetRestApis"): {
        "items": [{"id": "1", "name": "another", "endpointConfiguration": {"types": ["REGIONAL"]}}]
    },
    ("wafv2", "ListWebACLs"): {"WebACLs": []},
    ("kms", "ListKeys"): {"Keys": [], "Truncated": False},
    ("events", "ListRules"): {"Rules": []},
    ("service-quotas", "GetServiceQuota"): quota,
}
"""Nothing of the stage is there, and there is room for it."""


def deployed(assembly: Assembly, status: str = "UPDATE_COMPLETE") -> dict[Operation, Answer]:
    """Returns the answers of an account that has the stack of the assembly, whole."""
    resources = [_resource(name, one) for name, one in assembly.template["Resources"].items()]
    names = {kind: [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == kind] for kind in _NAMES}
    stack = {"StackName": assembly.stack, "CreationTime": WHEN, "StackStatus": status}
    arns = [f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"]
    return GOOD | {
        ("cloudformation", "DescribeStacks"): {"Stacks": [stack]},
        ("cloudformation", "ListStackResources"): {"StackResourceSummaries": resources},
        ("lambda", "GetFunctionConcurrency"): {},
        ("logs", "DescribeLogGroups"): {"logGroups": [{"logGroupName": one} for one in names["AWS::Logs::LogGroup"]]},
        ("cloudwatch", "DescribeAlarms"): {
            "MetricAlarms": [{"AlarmName": one} for one in names["AWS::CloudWatch::Alarm"]]
        },
        ("cloudwatch", "ListDashboards"): {
            "DashboardEntries": [{"DashboardName": one} for one in names["AWS::CloudWatch::Dashboard"]]
        },
        ("rds", "DescribeDBProxies"): {"DBProxies": [{"DBProxyName": one} for one in names["AWS::RDS::DBProxy"]]},
        ("s3", "ListBuckets"): {"Buckets": [{"Name": one} for one in names["AWS::S3::Bucket"]]},
        ("resourcegroupstaggingapi", "GetResources"): {
            "ResourceTagMappingList": [{"ResourceARN": arn} for arn in arns]
        },
        ("apigateway", "GetAccount"): {
            "cloudwatchRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{assembly.stack}-GatewayCloudWatchRole-1"
        },
    }


WHEN = datetime(2026, 11, 27, tzinfo=UTC)
_NAMES = {
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::RDS::DBProxy": "DBProxyName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::Cognito::UserPoolDomain": "Domain",
}
"""Types whose physical id is the name that the template gives."""


def _resource(logical_id: str, resource: dict[str, Any]) -> dict[str, Any]:
    kind = resource["Type"]
    given = resource.get("Properties", {}).get(_NAMES.get(kind, ""), logical_id)
    known = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::StackName": "stack"}
    return {
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": text(given, known),
        "ResourceType": kind,
        "ResourceStatus": "CREATE_COMPLETE",
        "LastUpdatedTimestamp": WHEN,
    }
