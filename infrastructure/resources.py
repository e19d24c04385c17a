"""What the service needs around it, as plain data that the local stack and the deployment read alike."""

from typing import Any

STAGE = "v1"
"""API Gateway's stage name, which is the first segment of every path."""

FUNCTION_ENVIRONMENT = {
    "LOG_LEVEL": "INFO",
    "POWERTOOLS_SERVICE_NAME": "tagged-image-manager",
    "POWERTOOLS_METRICS_NAMESPACE": "TaggedImageManager",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",  # there are none, and to look for them takes its time at every start
}
"""What the service's process is told that is the same everywhere."""

INSPECTION_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""Of the function that inspects files: it forks, which a process with threads should not."""

RESOURCE_SERVER = "tagged-image-manager"
SCOPES = {
    "read": "See images, tags and searches",
    "write": "Add and change images and tags",
    "admin": "Everything, and the access log",
}
MACHINE_SCOPES = {"read": ("read",), "write": ("read", "write"), "admin": ("read", "write", "admin")}
"""The scopes that a machine client may request, by the permission of the client. Cognito grants any scope that is
registered with a client, so a secret is worth the highest of them: each permission has a client of its own."""
GROUPS = ("viewers", "editors", "admins")

STORAGE_EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
STORAGE_EVENT_TRIES = 3
"""How often Lambda tries an asynchronous event before it goes to the dead letters."""

STORED_IMAGES = "images/"
"""The prefix of what S3 tells of; what the service itself makes of them lies elsewhere."""

INSPECTION_TRIES = 3
"""How often an inspection is tried before its message goes to the dead letters."""
INSPECTION_SECONDS = 60
"""The function's time-out."""


def bucket_cors(origins: list[str]) -> list[dict[str, Any]]:
    """CORS rules of the image bucket, in the words of the S3 API: browsers PUT and GET through presigned URLs."""
    return [
        {
            "AllowedOrigins": origins,
            "AllowedMethods": ["GET", "HEAD", "PUT"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag", "x-amz-checksum-sha256", "x-amz-version-id"],
            "MaxAgeSeconds": 3600,
        }
    ]


ACCESS_LOG_KEYS = {
    "request_id": "S",
    "part": "N",
    "user_key": "S",
    "day_key": "S",
    "image_key": "N",
    "tag_key": "N",
    "moment": "S",
}
"""Attributes of the access-log table that are keys, with their DynamoDB types."""

ACCESS_LOG_PRIMARY_KEY = ("request_id", "part")
ACCESS_LOG_INDEXES = {
    "by_user": ("user_key", "moment"),
    "by_day": ("day_key", "moment"),
    "by_image": ("image_key", "moment"),
    "by_tag": ("tag_key", "moment"),
}
"""Partition and sort key of each; all project every attribute."""

ACCESS_LOG_TTL = "expires"

GATEWAY_TIMEOUT_SECONDS = 29
GATEWAY_PAYLOAD_BYTES = 10 * 1024 * 1024
LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024
GATEWAY_HEAD_BYTES = 10_240
"""Of the request line and the headers together; API Gateway's own limit."""

REQUESTS_PER_CALLER = 300_000
RATE_SECONDS = 300
"""So many requests in so long a time are what one caller may make; then the answer is 429."""

CACHE_CONTROL = "no-store"
"""Of every answer: it may name a patient's image, or carry a URL that opens one."""

GATEWAY_RESPONSES = {
    "MISSING_AUTHENTICATION_TOKEN": (
        404,
        "not-found",
        "Not found",
        "There is no such path, or it does not take this method.",
    ),
    "UNAUTHORIZED": (
        401,
        "unauthorized",
        "Unauthorized",
        "A valid access token is needed in the Authorization header.",
    ),
    "ACCESS_DENIED": (403, "forbidden", "Forbidden", "The access token does not permit this."),
    "REQUEST_TOO_LARGE": (
        413,
        "payload-too-large",
        "Payload too large",
        "This has over 10,240 bytes of headers or 10 MB of body. Register an image with POST /v1/images and PUT it.",
    ),
    "THROTTLED": (
        429,
        "too-many-requests",
        "Too many requests",
        "The request rate is above the limit; try again later.",
    ),
    "INTEGRATION_FAILURE": (502, "bad-gateway", "Bad gateway", "The service did not give an answer; try again."),
    "INTEGRATION_TIMEOUT": (
        504,
        "gateway-timeout",
        "Gateway timeout",
        "The service did not answer in time; try again.",
    ),
    "BAD_REQUEST_BODY": (400, "malformed-request", "Malformed request", "The body is not what this route takes."),
    "BAD_REQUEST_PARAMETERS": (400, "malformed-request", "Malformed request", "A parameter is missing or malformed."),
    "UNSUPPORTED_MEDIA_TYPE": (
        415,
        "unsupported-media-type",
        "Unsupported media type",
        "This route does not take a body of this type.",
    ),
    "RESOURCE_NOT_FOUND": (404, "not-found", "Not found", "There is no such path."),
    "EXPIRED_TOKEN": (401, "unauthorized", "Unauthorized", "The access token has expired; get a new one."),
    "INVALID_SIGNATURE": (
        401,
        "unauthorized",
        "Unauthorized",
        "The Authorization header is of another kind.",
    ),
    "WAF_FILTERED": (403, "forbidden", "Forbidden", "The firewall has stopped this request."),
    "QUOTA_EXCEEDED": (429, "too-many-requests", "Too many requests", "The quota is used up; try again later."),
    "AUTHORIZER_FAILURE": (
        500,
        "internal-error",
        "Internal error",
        "The token could not be checked; try again.",
    ),
    "AUTHORIZER_CONFIGURATION_ERROR": (
        500,
        "internal-error",
        "Internal error",
        "The token could not be checked.",
    ),
    "API_CONFIGURATION_ERROR": (500, "internal-error", "Internal error", "Something went wrong on our side."),
    "DEFAULT_4XX": (400, "malformed-request", "Malformed request", "The gateway does not take this request."),
    "DEFAULT_5XX": (500, "internal-error", "Internal error", "Something went wrong on our side; try again."),
}
"""What the gateway itself answers when a request does not reach the service: status, problem slug, title, detail."""

REQUEST_SECONDS = 20
"""Within which the local gateway wants the whole of a request."""

LOCAL_GATEWAY_RESPONSES = {
    "REQUEST_TIMEOUT": (
        408,
        "request-timeout",
        "Request timeout",
        "The rest of the request did not come in time; send it again.",
    ),
    "UNENCODED_QUERY": (
        400,
        "malformed-request",
        "Malformed request",
        "The query has a character that must be percent-encoded: | as %7C, { as %7B, } as %7D.",
    ),
}
"""What the local gateway answers besides. API Gateway closes the connection of a slow request, and answers a query with
such a character with a 400 of its own, whose body is not documented."""

ENCODED_IN_QUERIES = "|{}"
"""Characters that API Gateway does not accept unencoded in a query
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html)."""
