"""The first thing in a worker's process: ties its life to the service's, then runs the runtime.

Run by path with the function's own interpreter, so it knows the standard library alone.
"""

import importlib
import os
import runpy
import signal
import sys
import threading


def follow_service() -> None:
    """Die with all children as soon as the service is gone, even by SIGKILL.

    Standard input is a pipe whose other end only the service holds. Linux's PR_SET_PDEATHSIG is
    not used: it fires when the *thread* that started us ends, and spares our children.
    """
    lifeline = os.dup(0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - the fewest imports before a handler's
        os.dup2(nothing.fileno(), 0)

    def wait() -> None:
        while os.read(lifeline, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def connect_client() -> None:
    """Have the runtime client take the secret of its address, and go on without.

    Its native part, which fetches and answers events, reads the address now and once, and takes a
    path. Its Python part, which reports a failed start, reads it later, and takes a host and a port
    alone.
    """
    host_and_port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")[0]
    importlib.import_module("awslambdaric.lambda_runtime_client")
    os.environ["AWS_LAMBDA_RUNTIME_API"] = host_and_port


if __name__ == "__main__":
    follow_service()
    connect_client()
    sys.argv[0] = "awslambdaric"
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
