"""Where MiniStack forwards a function's invocations."""

from infra import template
from infra.local.lambda_service import Addresses


def forwarding(addresses: Addresses, stack: str) -> dict[str, str]:
    """The URL of each function of the template, by the function's name.

    It takes the template, not what is deployed: MiniStack is told before there is a function.
    """
    body = template.load()
    callers = template.callers(body, stack)
    urls = {name: addresses.of_async(name) for name in template.function_names(body, stack)}
    urls |= {name: addresses.of_invoke(name) for name in callers.hooked | callers.requested}
    return urls | {name: addresses.of_queue(name) for name in callers.polled}
