"""A small Lambda service for one machine: real handlers, the real runtime client, AWS's rules.

`LambdaService` runs each `Function` under `awslambdaric` in worker processes of its own, behind a
bounded asynchronous queue with retries, event age and an on-failure destination. Not the same as
Lambda itself: the operating system image, memory and processor limits, and IAM on invocations,
for which a secret in the address stands in.
"""

from infra.local.lambda_service.addresses import Addresses
from infra.local.lambda_service.function import Function
from infra.local.lambda_service.service import LambdaService
from infra.local.lambda_service.stats import Stats

__all__ = ["Addresses", "Function", "LambdaService", "Stats"]
