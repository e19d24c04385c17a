"""The sum: what stands there all month, and what each use adds."""

from infrastructure.costs.counted import counted
from infrastructure.costs.prices import dollars
from infrastructure.costs.usage import Usage
from infrastructure.stages import Stage

HOURS = 730
PROXY_LEAST_UNITS = 8
"""RDS Proxy is paid by the capacity units of Aurora Serverless v2, and for eight at least."""
FUNCTION_GIGABYTES = 1.0
RUNS_BY_THE_CLOCK = HOURS * 60 * 1.2
RUN_SECONDS = 0.1
POLLS_A_MINUTE = 15
"""Lambda waits for messages with five requests of 20 seconds at a time."""
KEY_REQUESTS_AN_HOUR = 12
"""SQS, DynamoDB and the like keep a data key for five minutes."""
METRICS_A_ROUTE = 5

IMAGE_KILOBYTES = 2.5
"""Of rows: an image, with its five tags and all indexes."""
PREVIEW_KILOBYTES = 20.0
ACCESS_RECORD_KILOBYTES = 0.7
ACCESS_RECORD_MONTHS = 12
"""ACCESS_LOG_DAYS, by default."""
LOG_KILOBYTES = 2.0
"""A request's line in the function's log and in the gateway's, and its share of the flow log."""
IMAGE_LOG_KILOBYTES = 2.0
"""The lines of the storage event and of the inspection."""
LOG_COMPRESSED = 0.15
IO_A_REQUEST = 4
COLD_STARTS = 0.01
"""The share of requests that start the function from its snapshot."""
INSPECTION_SECONDS = 1.0
INSPECTION_GIGABYTES = 2.0
STORAGE_EVENT_SECONDS = 0.2
REPLACED = 0.02
"""The share of new images that are deleted or replaced; their old versions are kept for a month."""
BUCKET_LOG_KILOBYTES = 0.7
BUCKET_LOG_MONTHS = 8 / 30
READS_OF_AN_IMAGE = 4
"""Verification, inspection and a download."""
BACKED_UP = 3.0
"""Bytes of backup for each new byte of rows: the log of changes has them, too."""
ZONE_KILOBYTES = 5.0
"""Of a request and its rows, between function, proxy and database in different zones."""
FREE_USERS = 10_000


def monthly(stage: Stage, usage: Usage) -> dict[str, float]:
    """Returns dollars by what they are paid for."""
    return _standing(stage, usage) | _by_request(stage, usage) | _by_image(stage, usage)


def _standing(stage: Stage, usage: Usage) -> dict[str, float]:
    """What runs, whether anyone comes or not."""
    units = (usage.database_units or stage.least_capacity) * (1 + stage.readers)
    of = counted()
    requests = of["queues"] + of["functions"] + of["log_groups"]
    polls = of["polled_queues"] * POLLS_A_MINUTE * 60 * HOURS
    routes = min(usage.active_routes, of["routes"])
    return {
        "Aurora capacity": units * HOURS * dollars("aurora_unit_hour"),
        "RDS Proxy": max(PROXY_LEAST_UNITS, units) * HOURS * dollars("proxy_unit_hour"),
        "KMS": of["keys"] * dollars("key")
        + requests * KEY_REQUESTS_AN_HOUR * HOURS / 1e4 * dollars("key_ten_thousand"),
        "alarms, dashboard, our own metrics": of["alarms"] * dollars("alarm")
        + of["dashboards"] * dollars("dashboard")
        + of["metrics"] * dollars("metric"),
        "metrics of each route": routes * METRICS_A_ROUTE * dollars("metric"),
        "VPC endpoint of SQS": of["endpoint_zones"] * HOURS * dollars("endpoint_hour"),
        "waiting for inspections (SQS)": polls / 1e6 * dollars("queue_million"),
        "secrets": of["secrets"] * dollars("secret"),
        "firewall": dollars("firewall") + of["firewall_rules"] * dollars("firewall_rule") if stage.firewall else 0.0,
        "what runs by the clock": RUNS_BY_THE_CLOCK * (_function(RUN_SECONDS) + _logged(stage, LOG_KILOBYTES))
        + RUNS_BY_THE_CLOCK / 1e6 * dollars("function_million"),
        "snapshots of versions": _snapshots(usage) * dollars("snapshot_gigabyte_second") if stage.snap_start else 0.0,
    }


def _by_request(stage: Stage, usage: Usage) -> dict[str, float]:
    """The request that registers an image is one of them."""
    requests, millions = usage.requests, usage.requests / 1e6
    writes = 1 + counted()["table_indexes"]
    recorded = requests * writes * ACCESS_RECORD_KILOBYTES * ACCESS_RECORD_MONTHS / 1e6
    restored = requests * COLD_STARTS * FUNCTION_GIGABYTES if stage.snap_start else 0
    return {
        "API Gateway": millions * dollars("gateway_million"),
        "Lambda": millions * dollars("function_million") + requests * _function(usage.request_seconds),
        "starts from a snapshot": restored * dollars("snapshot_gigabyte_restored"),
        "firewall, by request": millions * dollars("firewall_million") if stage.firewall else 0.0,
        "access log": millions * writes * dollars("table_million_writes") + recorded * dollars("table_gigabyte"),
        # Only the table, not its indexes: what is restored makes them anew.
        "access log's recovery": recorded / writes * dollars("table_recovery_gigabyte"),
        "logs": requests * _logged(stage, LOG_KILOBYTES),
        "Aurora reads and writes": millions * IO_A_REQUEST * dollars("aurora_million_io"),
        "traffic between zones": requests * ZONE_KILOBYTES / 1e6 * dollars("zones_gigabyte"),
        "traffic to the internet": usage.download_gigabytes * dollars("internet_gigabyte"),
        "Cognito": max(0, usage.users - FREE_USERS) * dollars("user") + usage.machine_tokens * dollars("token"),
    }


def _by_image(stage: Stage, usage: Usage) -> dict[str, float]:
    """An image is kept from then on."""
    images, gigabytes = usage.images, usage.image_megabytes / 1e3
    rows, new_rows = (number * IMAGE_KILOBYTES / 1e6 for number in (usage.kept, images))
    backups = max(0.0, new_rows * BACKED_UP * stage.backup_days / 30 - rows)
    inspection = _function(INSPECTION_SECONDS, INSPECTION_GIGABYTES) + _function(STORAGE_EVENT_SECONDS)
    puts = 2 * images  # the file and its preview
    return {
        "Aurora storage": rows * dollars("aurora_gigabyte"),
        "Aurora backups": backups * dollars("aurora_backup_gigabyte"),
        "image bucket": usage.kept * gigabytes * dollars("bucket_gigabyte"),
        "old versions of images": images * REPLACED * gigabytes * dollars("bucket_gigabyte"),
        "previews": usage.kept * PREVIEW_KILOBYTES / 1e6 * dollars("bucket_gigabyte"),
        "requests of the bucket, and its log": puts / 1e3 * dollars("bucket_thousand_puts")
        + images * READS_OF_AN_IMAGE / 1e3 * dollars("bucket_thousand_gets")
        + images
        * (2 + READS_OF_AN_IMAGE)
        * BUCKET_LOG_KILOBYTES
        / 1e6
        * BUCKET_LOG_MONTHS
        * dollars("bucket_gigabyte"),
        "storage events and inspections": images * inspection
        + 2 * images / 1e6 * dollars("function_million")
        + 3 * images / 1e6 * dollars("queue_million")
        + images * _logged(stage, IMAGE_LOG_KILOBYTES),
    }


def _function(seconds: float, gigabytes: float = FUNCTION_GIGABYTES) -> float:
    return seconds * gigabytes * dollars("function_gigabyte_second")


def _logged(stage: Stage, kilobytes: float) -> float:
    kept = stage.log_days / 30 * LOG_COMPRESSED * dollars("logs_gigabyte_kept")
    return kilobytes / 1e6 * (dollars("logs_gigabyte") + kept)


def _snapshots(usage: Usage) -> float:
    """Returns GB and seconds. Only of Java versions does Lambda delete a snapshot that is not used any more
    (https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html): each version is paid while it exists."""
    return usage.versions * FUNCTION_GIGABYTES * HOURS * 3600
