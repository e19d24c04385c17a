"""What is watched. Each alarm says what a person should do when it comes."""

from aws_cdk import Aws, Duration, aws_cloudwatch, aws_cloudwatch_actions, aws_kms, aws_sns, aws_sns_subscriptions
from aws_cdk.aws_cloudwatch import Metric
from aws_cdk.aws_iam import PolicyStatement, ServicePrincipal
from constructs import Construct

from infrastructure import service
from infrastructure.resources import FUNCTION_ENVIRONMENT
from infrastructure.stack import alerts, database_alerts
from infrastructure.stack.alerts import Alert
from infrastructure.stack.database import Database
from infrastructure.stack.functions import FED_BY_A_QUEUE, RUN_WAITS, STORAGE, Functions
from infrastructure.stack.gateway import TOO_MANY_REQUESTS, Gateway
from infrastructure.stack.inspections import Inspections
from infrastructure.stages import Stage

_FIVE_MINUTES = Duration.minutes(5)
_INSPECTION_WAIT = Duration.minutes(15)

_WITHOUT_IT = {
    True: "Reconciliation finds what storage events left out all the same.",
    False: "The next run does the same work: the messages may be deleted.",
}
"""What happens to dead letters that are not used: of the function of storage events, and of those on a schedule."""

_IN_OTHER_GRAPHS = ("Connections", "DatabaseBusy", "DatabaseProcessor")


class Watch:
    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        key: aws_kms.Key,
        functions: Functions,
        gateway: Gateway,
        database: Database,
        inspections: Inspections,
    ) -> None:
        self._scope, self._stage = scope, stage
        self._functions, self._gateway, self._database = functions, gateway, database
        self._inspections = inspections
        topic = self._topic(key)
        watched = [
            *self._of_requests(),
            *alerts.of_errors(functions),
            *alerts.of_schedules(functions),
            *database_alerts.of_the_database(stage, database),
            *self._of_what_waits(),
            *self._of_the_bucket(),
        ]
        for alert in watched:
            self._alarm(alert).add_alarm_action(aws_cloudwatch_actions.SnsAction(topic))
        self._dashboard(watched)

    def _topic(self, key: aws_kms.Key) -> aws_sns.Topic:
        """Creates the topic of the alarms and lets them publish. A topic's own policy, here the one that refuses HTTP,
        takes the place of the default policy, which lets in the whole account."""
        topic = aws_sns.Topic(self._scope, "Alarms", master_key=key, enforce_ssl=True)
        ours = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        alarms = ServicePrincipal("cloudwatch.amazonaws.com", conditions=ours)
        key.grant_encrypt_decrypt(alarms)
        topic.add_to_resource_policy(
            PolicyStatement(principals=[alarms], actions=["sns:Publish"], resources=[topic.topic_arn])
        )
        if self._stage.alarm_email:
            topic.add_subscription(aws_sns_subscriptions.EmailSubscription(self._stage.alarm_email))
        return topic

    def _of_requests(self) -> list[Alert]:
        api, function = self._gateway.api, self._functions.api.function
        return [
            Alert(
                "ServerErrors",
                api.metric_server_error(period=_FIVE_MINUTES, statistic="Sum"),
                5,
                1,
                "Requests fail on our side. Take a request_id from the gateway's log and look for it in the log of the"
                " function; if it began with a deployment, go back to the version before.",
            ),
            Alert(
                "SlowRequests",
                api.metric_latency(period=_FIVE_MINUTES, statistic="p99"),
                3000,
                3,
                "One request in a hundred takes more than 3 s. See in the dashboard whether it is the database"
                " (capacity at its limit: raise most_capacity) or cold starts (concurrency has jumped).",
            ),
            Alert(
                "ThrottledRequests",
                function.metric_throttles(period=_FIVE_MINUTES, statistic="Sum"),
                10,
                1,
                "Lambda refuses to start more of the API function: raise `concurrency` of the stage, and see that the"
                " database takes as many connections, or find out who asks so much.",
            ),
            Alert(
                "TooManyRequests",
                self._ours(TOO_MANY_REQUESTS),
                100,
                1,
                "The gateway or the firewall answers 429. In the gateway's log, `firewall` tells which of them. The"
                " gateway's log has the address (`ip`) and, where the token was read, the `user` of each refused"
                " request. If all clients together send too much, raise requests_a_second and burst of the stage.",
            ),
        ]

    def _of_what_waits(self) -> list[Alert]:
        return [
            *map(self._of_dead_letters, [each.name for each in self._functions.all if each.dead_letters]),
            Alert(
                "InspectionsWaitLong",
                self._inspections.queue.metric_approximate_age_of_oldest_message(
                    period=_FIVE_MINUTES, statistic="Maximum"
                ),
                _INSPECTION_WAIT.to_seconds(),
                1,
                "A file waits for its inspection for over 15 minutes; it has no attributes and no preview yet. If dead"
                " letters of inspect have come or its errors rise, see its log. Else more was uploaded than it gets"
                " through: it catches up, sooner with a higher INSPECTIONS_AT_ONCE.",
            ),
            Alert(
                "AccessRecordsUndelivered",
                self._ours("AccessRecordUndelivered"),
                0,
                1,
                "DynamoDB did not take access records. The requests went through; their lines in the log, where"
                " access_record is undelivered, are the records: put them into the table when it takes them again.",
            ),
            Alert(
                "ImagesPendingLong",
                self._ours("ImagesPendingLong", "Maximum"),
                100,
                12,
                "Images were announced and no file came within two upload times. If S3's events go astray, dead letters"
                " have come too; else ask the clients' owners why their uploads break off.",
            ),
        ]

    def _of_the_bucket(self) -> list[Alert]:
        return [
            Alert(
                "FilesUnverified",
                self._ours("FilesUnverified"),
                0,
                12,
                "A file with a declared checksum cannot be read, or not in the time that there is, and its image stays"
                " `pending`. The log names it. Should S3 be slow, it mends itself; else read the file by other means.",
            ),
            Alert(
                "ObjectsVanished",
                self._ours("ObjectsVanished", "Maximum"),
                100,
                1,
                "Many images say that their file is there, and the bucket does not list it: it was emptied, or is the"
                " wrong one. `reconcile` marks 200 of them `missing` a run; disable its rule until it is clear. Files"
                " come back with their delete markers taken away, and images with the files.",
            ),
            Alert(
                "ClockLeapt",
                self._ours("ClockLeapt"),
                0,
                1,
                "The database's clock is more than two days from where the purge last saw it. `purge` deletes nothing"
                " for a day. If the clock is wrong, have it set right within that day, or disable the rule of `purge`;"
                " if it is right, as after the rule was disabled for days, there is nothing to do.",
            ),
            Alert(
                "ImagesExpired",
                self._ours("ImagesExpired", "Maximum"),
                1000,
                1,
                "Over 1,000 images wait to be deleted for good; each run of `purge` takes PURGE_LIMIT (200 by default)"
                " of them. If"
                " nobody deleted so many BIN_DAYS ago, disable the rule of `purge` and look at the database's clock and"
                " at BIN_DAYS. If it was intended, wait, or raise PURGE_LIMIT of the stage to go faster.",
            ),
            Alert(
                "OrphansFound",
                self._ours("OrphansFound", "Maximum"),
                100,
                1,
                "The bucket has many objects that no image has. If the database was set back, or is the wrong one: stop"
                " `purge` by disabling its rule, within a day of the oldest such object. It removes a hundred objects a"
                " run, by delete markers: taking these away within 30 days brings every file back.",
            ),
        ]

    def _of_dead_letters(self, name: str) -> Alert:
        queue = self._functions.by_name[name].dead_letters
        assert queue is not None  # noqa: S101
        if name in FED_BY_A_QUEUE:
            again = "start a redrive of the queue: its messages go back to the queue of inspections."
        else:
            again = (
                f"`make invoke-again STAGE={self._stage.name} FUNCTION={name}` invokes the function with each again."
                f" {_WITHOUT_IT[name == STORAGE]}"
            )
        return Alert(
            f"DeadLettersOf{name.title().replace('_', '')}",
            queue.metric_approximate_number_of_messages_visible(period=_FIVE_MINUTES, statistic="Maximum"),
            0,
            1,
            f"{_failed(name)} The log says why; once that is mended, {again}",
        )

    def _ours(self, name: str, statistic: str = "Sum") -> Metric:
        return Metric(
            namespace=FUNCTION_ENVIRONMENT["POWERTOOLS_METRICS_NAMESPACE"],
            metric_name=name,
            dimensions_map={
                "service": FUNCTION_ENVIRONMENT["POWERTOOLS_SERVICE_NAME"],
                "stage": self._stage.name,
            },
            period=_FIVE_MINUTES,
            statistic=statistic,
        )

    def _alarm(self, alert: Alert) -> aws_cloudwatch.Alarm:
        return aws_cloudwatch.Alarm(
            self._scope,
            f"{alert.name}Alarm",
            alarm_name=f"tagged-image-manager-{self._stage.name}-{alert.name}",
            alarm_description=alert.what_to_do,
            metric=alert.metric,
            threshold=alert.above,
            evaluation_periods=alert.periods,
            comparison_operator=alert.comparison,
            treat_missing_data=alert.without_data,
        )

    def _dashboard(self, watched: list[Alert]) -> None:
        api, function = self._gateway.api, self._functions.api.function
        cluster = self._database.cluster
        graphs = {
            "Requests": [api.metric_count(), api.metric_client_error(), api.metric_server_error()],
            "Latency, ms": [api.metric_latency(statistic=cut) for cut in ("p50", "p95", "p99")],
            "API function": [function.metric("ConcurrentExecutions", statistic="Maximum"), function.metric_throttles()],
            "Errors of functions": [each.function.metric_errors() for each in self._functions.all],
            "Database capacity": [cluster.metric_serverless_database_capacity(), cluster.metric_acu_utilization()],
            "Database processor": [database_alerts.of_the_writer(self._database, "CPUUtilization")],
            "Connections": [
                database_alerts.connections(self._database, name)
                for name in ("DatabaseConnections", "ClientConnections")
            ],
        } | {alert.name: [alert.metric] for alert in watched if alert.name not in _IN_OTHER_GRAPHS}
        widgets = [aws_cloudwatch.GraphWidget(title=title, left=lines, width=8) for title, lines in graphs.items()]
        aws_cloudwatch.Dashboard(
            self._scope,
            "Dashboard",
            dashboard_name=f"tagged-image-manager-{self._stage.name}",
            widgets=[widgets[start : start + 3] for start in range(0, len(widgets), 3)],
        )


def _failed(name: str) -> str:
    if name in service.schedules():
        return (
            f"Each of these messages is a run of {name} that failed three times, or was not done"
            f" {RUN_WAITS.to_minutes()} minutes after it was due: it failed late, or no function was free (throttled)."
        )
    return f"{name} failed three times on each of these messages."
