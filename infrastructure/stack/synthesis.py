"""Makes the template of a stage, and lets none pass that has a finding which nobody has accepted."""

from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from infrastructure.stack import findings
from infrastructure.stack.system import TaggedImageManager
from infrastructure.stages import Stage

_CONTEXT = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-lambda:recognizeLayerVersion": True,  # or a change of a layer alone publishes no version
    "@aws-cdk/aws-lambda:recognizeVersionProps": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
}
"""Ways of CDK that are not yet its default."""


def synthesize(stage: Stage, package: Path, layer: Path, output: Path) -> Path:
    """The template. Raises RuntimeError over what cdk-nag finds; its report lies beside the template."""
    app = App(outdir=str(output), analytics_reporting=False, context=_CONTEXT)
    stack = TaggedImageManager(app, stage, package, layer)
    findings.accept(stack, stage)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    app.synth()
    return output / stack.template_file
