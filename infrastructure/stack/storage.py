"""The image bucket."""

from typing import TYPE_CHECKING

from aws_cdk import Aws, Duration, Tags, aws_kms, aws_lambda, aws_s3
from aws_cdk.aws_s3 import CfnBucket
from constructs import Construct

from infrastructure import resources
from infrastructure.stack import removal
from infrastructure.stages import Stage

if TYPE_CHECKING:
    from infrastructure.stack.functions import Functions

OLD_VERSIONS_DAYS = 30
"""As long as the bin keeps an image."""

UNKNOWN_UPLOADS_DAYS = 30
"""An upload of terabytes may well take a week or two."""


class ImageBucket:
    def __init__(self, scope: Construct, stage: Stage, key: aws_kms.Key) -> None:
        self._scope = scope
        # Known before there is a bucket, so that functions and bucket can name one another.
        self.name = stage.bucket or f"tagged-image-manager-{stage.name}-images-{Aws.ACCOUNT_ID}"
        self.arn = f"arn:{Aws.PARTITION}:s3:::{self.name}"
        self.key = key
        self.bucket = aws_s3.Bucket(
            scope,
            "Images",
            bucket_name=self.name,
            encryption=aws_s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            object_ownership=aws_s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=_storage_log(scope, stage),
            server_access_logs_prefix="images/",
            lifecycle_rules=[_lifecycle()],
            removal_policy=removal.of_data(stage),
        )
        (rule,) = resources.bucket_cors(list(stage.origins))
        self._bucket.cors_configuration = CfnBucket.CorsConfigurationProperty(
            cors_rules=[
                CfnBucket.CorsRuleProperty(
                    allowed_origins=rule["AllowedOrigins"],
                    allowed_methods=rule["AllowedMethods"],
                    allowed_headers=rule["AllowedHeaders"],
                    exposed_headers=rule["ExposeHeaders"],
                    max_age=rule["MaxAgeSeconds"],
                )
            ]
        )

    @property
    def _bucket(self) -> CfnBucket:
        bucket = self.bucket.node.default_child
        assert isinstance(bucket, CfnBucket)  # noqa: S101
        return bucket

    def tell(self, functions: "Functions") -> None:
        """Of every object that comes or goes, to the handler of the app that asks for it."""
        handler = functions.storage_event_handler
        permission = aws_lambda.CfnPermission(
            self._scope,
            "ImagesMayTell",
            action="lambda:InvokeFunction",
            function_name=handler.alias.function_arn,
            principal="s3.amazonaws.com",
            source_account=Aws.ACCOUNT_ID,
            source_arn=self.arn,
        )
        self._bucket.notification_configuration = CfnBucket.NotificationConfigurationProperty(
            lambda_configurations=[
                CfnBucket.LambdaConfigurationProperty(
                    event=event, function=handler.alias.function_arn, filter=_images_only()
                )
                for event in resources.STORAGE_EVENTS
            ]
        )
        self._bucket.add_resource_dependency(permission)


def _images_only() -> CfnBucket.NotificationFilterProperty:
    rule = CfnBucket.FilterRuleProperty(name="prefix", value=resources.STORED_IMAGES)
    return CfnBucket.NotificationFilterProperty(s3_key=CfnBucket.S3KeyFilterProperty(rules=[rule]))


STORAGE_LOG_DAYS = 7
"""The lines name files, and so patients perhaps: long enough to look into an incident."""


def _storage_log(scope: Construct, stage: Stage) -> aws_s3.Bucket:
    """Return the bucket for S3's server access log, which holds patient data like the images: the URL of each download
    carries the filename. S3 writes its logs only to a bucket that it encrypts by its own key."""
    bucket = aws_s3.Bucket(
        scope,
        "BucketLogs",
        encryption=aws_s3.BucketEncryption.S3_MANAGED,
        block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        object_ownership=aws_s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[
            aws_s3.LifecycleRule(
                expiration=Duration.days(STORAGE_LOG_DAYS),
                noncurrent_version_expiration=Duration.days(1),
                abort_incomplete_multipart_upload_after=Duration.days(1),
            )
        ],
        removal_policy=removal.of_data(stage),
    )
    Tags.of(bucket).add("holds", "patient-data")
    return bucket


def _lifecycle() -> aws_s3.LifecycleRule:
    """Multipart uploads are ended by `purge`, when they are quiet; what it does not know of ends so."""
    return aws_s3.LifecycleRule(
        abort_incomplete_multipart_upload_after=Duration.days(UNKNOWN_UPLOADS_DAYS),
        noncurrent_version_expiration=Duration.days(OLD_VERSIONS_DAYS),
        expired_object_delete_marker=True,
    )
