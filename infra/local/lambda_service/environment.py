"""What a worker's process finds in its environment: nothing of ours that it was not given."""

import os
from collections.abc import Mapping

from infra.local.lambda_service.function import Function
from infra.local.lambda_service.invocation import VERSION

INHERITED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")


def worker_environment(
    function: Function, *, runtime_api: str, granted: Mapping[str, str], service: Mapping[str, str]
) -> dict[str, str]:
    """The variables of one worker.

    Args:
        function: Whose worker it is.
        runtime_api: Host, port and secret, as boot.py takes them.
        granted: Fetched for this worker: the role's credentials.
        service: The service's own environment, of which a few names are passed on.
    """
    return {
        **{name: service[name] for name in INHERITED if name in service},
        # A function whose role gives it no credentials must fail here as it would on AWS, rather
        # than find the operator's own in the home folder.
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **function.environment,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "PYTHONPATH": str(function.folder),
        **granted,
    }
