"""The contract as documents, made of the routes, the shapes and the failures: `python -m openapi` writes them all."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "design-docs" / "openapi" / "tagged-image-manager.yml"
REFERENCE = ROOT / "design-docs" / "openapi" / "generated-tagged-image-manager.md"
ERRORS = ROOT / "design-docs" / "errors.md"

# Enough to import the product; none of it comes into the documents.
for _name, _value in {
    "DATABASE_URL": "postgresql+psycopg2://nobody@127.0.0.1:1/none",
    "IMAGE_BUCKET": "images",
    "ACCESS_LOG_TABLE": "access-log",
    "USER_POOL_ARN": "arn:aws:cognito-idp:eu-central-1:000000000000:userpool/eu-central-1_example",
    "AWS_REGION": "eu-central-1",
}.items():
    os.environ.setdefault(_name, _value)
