"""The costs have everything that is deployed, in the numbers in which it is deployed, and the page has the costs."""

import json

from infrastructure.costs import counted, tables
from tests.infrastructure.template import Template

PAID = {
    "AWS::ApiGateway::RestApi": "API Gateway",
    "AWS::ApiGateway::Stage": "metrics of each route",
    "AWS::CloudWatch::Alarm": "alarms, dashboard, our own metrics",
    "AWS::CloudWatch::Dashboard": "alarms, dashboard, our own metrics",
    "AWS::Cognito::UserPool": "Cognito",
    "AWS::DynamoDB::Table": "access log",
    "AWS::EC2::FlowLog": "logs",
    "AWS::EC2::VPCEndpoint": "VPC endpoint of SQS",
    "AWS::KMS::Key": "KMS",
    "AWS::Lambda::EventSourceMapping": "waiting for inspections (SQS)",
    "AWS::Lambda::Function": "Lambda",
    "AWS::Lambda::Version": "snapshots of versions",
    "AWS::Logs::LogGroup": "logs",
    "AWS::Logs::MetricFilter": "alarms, dashboard, our own metrics",
    "AWS::RDS::DBCluster": "Aurora storage",
    "AWS::RDS::DBInstance": "Aurora capacity",
    "AWS::RDS::DBProxy": "RDS Proxy",
    "AWS::S3::Bucket": "image bucket",
    "AWS::SQS::Queue": "storage events and inspections",
    "AWS::SecretsManager::Secret": "secrets",
    "AWS::WAFv2::WebACL": "firewall",
}
"""By type of resource, the line that has its cost."""

FREE = {
    *("AWS::ApiGateway::Account", "AWS::ApiGateway::Deployment"),
    *(f"AWS::Cognito::UserPool{part}" for part in ("Client", "Domain", "Group", "ResourceServer")),
    *(f"AWS::EC2::{part}" for part in ("RouteTable", "SecurityGroup", "SecurityGroupEgress", "SecurityGroupIngress")),
    *(f"AWS::EC2::{part}" for part in ("Subnet", "SubnetRouteTableAssociation", "VPC")),
    *("AWS::IAM::Policy", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"),
    *(f"AWS::Lambda::{part}" for part in ("Alias", "EventInvokeConfig", "LayerVersion", "Permission")),
    *("AWS::RDS::DBClusterParameterGroup", "AWS::RDS::DBProxyTargetGroup", "AWS::RDS::DBSubnetGroup"),
    *("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::WAFv2::WebACLAssociation"),
    *("AWS::Events::Rule", "AWS::SNS::Topic", "AWS::SNS::Subscription"),
    *("Custom::AWS", "Custom::LogRetention", "Custom::Trigger"),
}
"""Types for which AWS charges nothing, or nothing at this use: scheduled rules, a few mails, calls when deploying."""


def test_every_kind_of_resource_is_paid_for_or_free(prod: Template) -> None:
    kinds = {one["Type"] for one in prod.resources.values()}

    assert sorted(kinds - PAID.keys() - FREE) == []
    assert sorted(PAID.keys() - kinds) == []


def test_every_line_that_has_the_cost_of_a_resource_is_one_of_the_bill() -> None:
    page = tables.PAGE.read_text()

    assert sorted(line for line in set(PAID.values()) if line not in tables.lines()) == []
    assert all(f"| {line} |" in page for line in ("Aurora capacity", "access log", "image bucket"))


def test_what_is_paid_by_the_piece_is_counted_in_the_template(prod: Template) -> None:
    assert json.loads(counted.FILE.read_text()) == counted.count(prod.content), "run `make docs`"


def test_the_page_on_deployment_has_the_costs_as_they_are() -> None:
    page = tables.PAGE.read_text()

    assert tables.inserted(page) == page, "run `make docs`"
