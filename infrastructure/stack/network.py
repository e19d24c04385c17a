"""A VPC that nothing leaves: S3 and DynamoDB are reached through gateway endpoints, the queue of inspections through an
interface endpoint, and nothing else is needed."""

from aws_cdk import aws_ec2, aws_kms
from aws_cdk.aws_ec2 import GatewayVpcEndpointAwsService, InterfaceVpcEndpointAwsService, Port, SecurityGroup
from aws_cdk.aws_iam import AnyPrincipal, PolicyStatement
from constructs import Construct

from infrastructure.stack.logs import log_group
from infrastructure.stages import Stage


class Network:
    def __init__(self, scope: Construct, stage: Stage, key: aws_kms.Key) -> None:
        self.vpc = aws_ec2.Vpc(
            scope,
            "Vpc",
            **({"availability_zones": list(stage.zones)} if stage.zones else {"max_azs": 2}),
            nat_gateways=0,
            restrict_default_security_group=False,
            subnet_configuration=[
                aws_ec2.SubnetConfiguration(name="Isolated", subnet_type=aws_ec2.SubnetType.PRIVATE_ISOLATED)
            ],
        )
        self._s3 = self.vpc.add_gateway_endpoint("S3", service=GatewayVpcEndpointAwsService.S3)
        self._dynamodb = self.vpc.add_gateway_endpoint("DynamoDb", service=GatewayVpcEndpointAwsService.DYNAMODB)
        self._flow_log(scope, stage, key)
        self.functions = self._group(scope, "FunctionsGroup", "The functions")
        self.proxy = self._group(scope, "ProxyGroup", "The proxy before the database")
        self.cluster = self._group(scope, "ClusterGroup", "The database")
        self.queues = self._group(scope, "QueuesGroup", "The endpoint of the queues")
        self._sqs = self.vpc.add_interface_endpoint(
            "Sqs", service=InterfaceVpcEndpointAwsService.SQS, security_groups=[self.queues], open=False
        )
        self._allow()

    def open(
        self, to_s3: dict[str, list[str]], to_dynamodb: dict[str, list[str]], to_sqs: dict[str, list[str]]
    ) -> None:
        """For actions on resources; who may do them, the roles say."""
        for endpoint, opened in ((self._s3, to_s3), (self._dynamodb, to_dynamodb), (self._sqs, to_sqs)):
            for resource, actions in opened.items():
                endpoint.add_to_policy(
                    PolicyStatement(principals=[AnyPrincipal()], actions=actions, resources=[resource])
                )

    def _flow_log(self, scope: Construct, stage: Stage, key: aws_kms.Key) -> None:
        group = log_group(scope, "FlowLog", f"/tagged-image-manager/{stage.name}/flow", stage, key)
        self.vpc.add_flow_log("Flow", destination=aws_ec2.FlowLogDestination.to_cloud_watch_logs(group))

    def _group(self, scope: Construct, name: str, what: str) -> SecurityGroup:
        return SecurityGroup(scope, name, vpc=self.vpc, description=what, allow_all_outbound=False)

    def _allow(self) -> None:
        """Functions to the proxy, the proxy to the database; and to the endpoints, whose addresses are public ones but
        for that of the queues."""
        self.functions.connections.allow_to(self.proxy, Port.tcp(5432), "Functions to proxy")
        self.proxy.connections.allow_to(self.cluster, Port.tcp(5432), "Proxy to database")
        self.queues.add_ingress_rule(self.functions, Port.tcp(443), "Functions to queues")
        self.functions.add_egress_rule(aws_ec2.Peer.any_ipv4(), Port.tcp(443), "S3 and DynamoDB, by their endpoints")
