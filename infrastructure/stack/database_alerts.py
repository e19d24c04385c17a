"""The alerts of the database and of the proxy before it, and their metrics."""

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Metric

from infrastructure.stack.alerts import Alert
from infrastructure.stack.database import BORROW_SECONDS, Database
from infrastructure.stages import Stage

_FIVE_MINUTES = Duration.minutes(5)
_BORROW_MICROSECONDS = BORROW_SECONDS * 1_000_000


def of_the_database(stage: Stage, database: Database) -> list[Alert]:
    return [
        Alert(
            "Connections",
            connections(database, "DatabaseConnections"),
            0.8 * _connections_at_most(stage),
            15,
            "The proxy uses most of the connections that the database takes at this capacity: raise most_capacity,"
            " or lower `concurrency` of the stage so that requests wait outside.",
        ),
        Alert(
            "ConnectionsWaitLong",
            _of_the_proxy(database, "DatabaseConnectionsBorrowLatency", "Maximum", _FIVE_MINUTES),
            _BORROW_MICROSECONDS / 2,
            1,
            "A request waited more than 5 s for a connection to the database; after 10 s it fails. Raise"
            " most_capacity of the stage, or lower its `concurrency`.",
        ),
        Alert(
            "DatabaseProcessor",
            of_the_writer(database, "CPUUtilization"),
            90,
            3,
            "The database uses nearly all of its processor time, and searches that take too long are refused as"
            " `too-costly`. Look in Performance Insights for the statement that takes it, or raise most_capacity.",
        ),
        Alert(
            "DatabaseBusy",
            of_the_writer(database, "ACUUtilization"),
            90,
            3,
            "Aurora is at the largest capacity that it may take: raise most_capacity, or look in Performance"
            " Insights for the statement that takes it.",
        ),
    ]


def of_the_writer(database: Database, name: str) -> Metric:
    """Returns a metric of the writer alone: readers are idle until one takes over, and would halve the average."""
    return Metric(
        namespace="AWS/RDS",
        metric_name=name,
        dimensions_map={"DBClusterIdentifier": database.cluster.cluster_identifier, "Role": "WRITER"},
        period=_FIVE_MINUTES,
        statistic="Average",
    )


def connections(database: Database, name: str) -> Metric:
    """Returns the connections of all machines of the proxy. Each machine reports its own, once a minute."""
    return _of_the_proxy(database, name, "Sum", Duration.minutes(1))


def _of_the_proxy(database: Database, name: str, statistic: str, period: Duration) -> Metric:
    return Metric(
        namespace="AWS/RDS",
        metric_name=name,
        dimensions_map={"ProxyName": database.proxy.db_proxy_name},
        period=period,
        statistic=statistic,
    )


def _connections_at_most(stage: Stage) -> float:
    """Returns what Aurora accepts at the largest capacity, about 90 a unit up to 2,000; the proxy may use 90 %."""
    return 0.9 * min(2000, 90 * stage.most_capacity)
