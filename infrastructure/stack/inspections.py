"""What the inspection of files has around it: its queue, its libraries, and the key to the hashes of identifiers."""

from pathlib import Path

from aws_cdk import Duration, aws_kms, aws_lambda, aws_lambda_event_sources, aws_secretsmanager, aws_sqs
from constructs import Construct

from infrastructure import resources
from infrastructure.stack import removal
from infrastructure.stack.functions import INSPECT, INSPECTIONS_AT_ONCE, Functions
from infrastructure.stages import Stage


class Inspections:
    def __init__(self, scope: Construct, stage: Stage, key: aws_kms.Key, layer: Path, functions: Functions) -> None:
        inspect = functions.by_name[INSPECT]
        assert inspect.dead_letters is not None  # noqa: S101
        self.queue = aws_sqs.Queue(
            scope,
            "Inspections",
            encryption=aws_sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            # As AWS advises: while all that runs at once is busy, messages are received in vain.
            visibility_timeout=Duration.seconds(6 * resources.INSPECTION_SECONDS),
            retention_period=Duration.days(4),
            dead_letter_queue=aws_sqs.DeadLetterQueue(
                queue=inspect.dead_letters, max_receive_count=resources.INSPECTION_TRIES
            ),
        )
        inspect.function.add_layers(_libraries(scope, stage, layer))
        inspect.alias.add_event_source(
            aws_lambda_event_sources.SqsEventSource(self.queue, batch_size=1, max_concurrency=INSPECTIONS_AT_ONCE)
        )
        secret = _identifier_key(scope, stage, key)
        # Read when the stack is deployed: to ask for it at a start would take one more endpoint.
        functions.set(INSPECT, {"IDENTIFIER_KEY": secret.secret_value.unsafe_unwrap()})


def _libraries(scope: Construct, stage: Stage, layer: Path) -> aws_lambda.LayerVersion:
    return aws_lambda.LayerVersion(
        scope,
        "ImagingLibraries",
        code=aws_lambda.Code.from_asset(str(layer)),
        compatible_runtimes=[aws_lambda.Runtime.PYTHON_3_13],
        compatible_architectures=[aws_lambda.Architecture.X86_64],
        description="What reads images and decodes their pixels",
        removal_policy=removal.of_data(stage),
    )


def _identifier_key(scope: Construct, stage: Stage, key: aws_kms.Key) -> aws_secretsmanager.Secret:
    """Never rotated: the hashes would be others, and one study's images no longer found together."""
    return aws_secretsmanager.Secret(
        scope,
        "IdentifierKey",
        description="Keys the hashes of DICOM identifiers",
        encryption_key=key,
        generate_secret_string=aws_secretsmanager.SecretStringGenerator(exclude_punctuation=True, password_length=48),
        removal_policy=removal.of_data(stage),
    )
