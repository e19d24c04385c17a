"""List prices of eu-central-1 in US dollars, each with AWS's page about it.

Looked up on 2026-11-27. AWS's pages show the prices of a region by a script and could not be read. A price counts as
confirmed when others have published it for this region from AWS's price list, in estimates of Infracost or in lists of
prices with their date. The others are older, or known for us-east-1 only, and may differ here.
"""

from typing import NamedTuple

LOOKED_UP = "2026-11-27"

_AURORA = "https://aws.amazon.com/rds/aurora/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_WAF = "https://aws.amazon.com/waf/pricing/"
_KMS = "https://aws.amazon.com/kms/pricing/"
_EC2 = "https://aws.amazon.com/ec2/pricing/on-demand/"
_COGNITO = "https://aws.amazon.com/cognito/pricing/"


class Price(NamedTuple):
    dollars: float
    unit: str
    page: str
    confirmed: bool


PRICES = {
    "aurora_unit_hour": Price(0.14, "capacity unit and hour", _AURORA, confirmed=True),
    "aurora_gigabyte": Price(0.119, "GB and month", _AURORA, confirmed=True),
    "aurora_million_io": Price(0.22, "million reads and writes", _AURORA, confirmed=True),
    "aurora_backup_gigabyte": Price(0.023, "GB and month beyond the size of the cluster", _AURORA, confirmed=False),
    "proxy_unit_hour": Price(
        0.018, "capacity unit of Aurora and hour", "https://aws.amazon.com/rds/proxy/pricing/", confirmed=False
    ),
    "bucket_gigabyte": Price(0.0245, "GB and month, of the first 50 TB", _S3, confirmed=True),
    "bucket_thousand_puts": Price(0.0054, "1,000 PUT, COPY, POST or LIST requests", _S3, confirmed=True),
    "bucket_thousand_gets": Price(0.00043, "1,000 GET requests", _S3, confirmed=True),
    "table_million_writes": Price(0.7625, "million write request units", _DYNAMODB, confirmed=False),
    "table_gigabyte": Price(0.306, "GB and month", _DYNAMODB, confirmed=True),
    "table_recovery_gigabyte": Price(0.2448, "GB and month, point-in-time recovery", _DYNAMODB, confirmed=True),
    "gateway_million": Price(
        3.70, "million requests, of the first 333", "https://aws.amazon.com/api-gateway/pricing/", confirmed=True
    ),
    "endpoint_hour": Price(
        0.012, "interface endpoint, zone and hour", "https://aws.amazon.com/privatelink/pricing/", confirmed=True
    ),
    "secret": Price(0.40, "secret and month", "https://aws.amazon.com/secrets-manager/pricing/", confirmed=True),
    "queue_million": Price(0.40, "million requests", "https://aws.amazon.com/sqs/pricing/", confirmed=False),
    "function_million": Price(0.20, "million requests", _LAMBDA, confirmed=True),
    "function_gigabyte_second": Price(0.0000166667, "GB and second, x86", _LAMBDA, confirmed=True),
    "snapshot_gigabyte_second": Price(0.0000015046, "GB and second, each version", _LAMBDA, confirmed=False),
    "snapshot_gigabyte_restored": Price(0.0001397998, "GB restored", _LAMBDA, confirmed=False),
    "key": Price(1.0, "key and month", _KMS, confirmed=True),
    "key_ten_thousand": Price(0.03, "10,000 requests", _KMS, confirmed=True),
    "logs_gigabyte": Price(0.63, "GB taken in", _CLOUDWATCH, confirmed=True),
    "logs_gigabyte_kept": Price(0.0324, "GB and month, compressed", _CLOUDWATCH, confirmed=True),
    "alarm": Price(0.10, "alarm and month", _CLOUDWATCH, confirmed=False),
    "metric": Price(0.30, "metric and month, of the first 10,000", _CLOUDWATCH, confirmed=False),
    "dashboard": Price(3.0, "dashboard and month", _CLOUDWATCH, confirmed=False),
    "firewall": Price(5.0, "web ACL and month", _WAF, confirmed=False),
    "firewall_rule": Price(1.0, "rule or group of rules and month", _WAF, confirmed=False),
    "firewall_million": Price(0.60, "million requests", _WAF, confirmed=False),
    "user": Price(0.015, "user active in the month above 10,000, Essentials", _COGNITO, confirmed=False),
    "token": Price(0.00225, "token of a machine client", _COGNITO, confirmed=False),
    "internet_gigabyte": Price(0.09, "GB to the internet, of the first 10 TB", _EC2, confirmed=False),
    "zones_gigabyte": Price(0.02, "GB between zones, 0.01 on each side", _EC2, confirmed=False),
}
"""AWS's pages name no charge for the VPC and gateway endpoints, scheduled rules on the default event bus, Database
Insights in its standard mode, the first 1,000 alarm mails, automated backups up to the size of the cluster, and the
metrics that AWS's services send by themselves."""


def dollars(name: str) -> float:
    return PRICES[name].dollars
