"""What the Lambda runtime gives a function beside the event."""

import time
import uuid
from dataclasses import dataclass, field

from local.emulator import ACCOUNT, REGION
from local.environment import FUNCTION_NAME, MEMORY_MEGABYTES


@dataclass(frozen=True)
class LambdaContext:
    deadline: float
    """On the clock of time.monotonic()."""
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_name: str = FUNCTION_NAME
    function_version: str = "$LATEST"
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION_NAME}"
    memory_limit_in_mb: int = MEMORY_MEGABYTES
    log_group_name: str = f"/aws/lambda/{FUNCTION_NAME}"
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def context(seconds: float) -> LambdaContext:
    return LambdaContext(time.monotonic() + seconds)
