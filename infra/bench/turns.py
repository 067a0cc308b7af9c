"""What both sides of `bench engine` do alike: answer requests, a line of JSON each.

Standard library only, and for Pythons as old as 3.10: the reference's environment runs this, too.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Tasks = Mapping[str, Callable[[], int]]  # each does one pass and counts its faces
Answer = Callable[[dict[str, Any]], dict[str, Any]]  # of the whole request


def serve(
    load: Callable[[dict[str, Any]], tuple[Tasks, Mapping[str, Answer]]], packages: tuple[str, ...]
) -> None:
    """Answer until standard input ends.

    Args:
        load: Given the first request, makes the tasks, and what else can be asked for.
        packages: Whose versions to tell.
    """
    # What libraries print must not come between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    tasks: Tasks = {}
    others: Mapping[str, Answer] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        if request["do"] == "load":
            tasks, others = load(request)
            answer = {"tasks": sorted(tasks)}
        elif request["do"] == "run":
            answer = run(tasks[request["task"]], request["seconds"])
        elif request["do"] == "versions":
            answer = versions(packages)
        elif request["do"] == "memory":
            answer = {"resident_mb": resident_mb()}
        else:
            answer = others[request["do"]](request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run(task: Callable[[], int], seconds: float) -> dict[str, Any]:
    """Do *task* until *seconds* of processor time have gone, once at least."""
    passes = faces = 0
    began, wall = time.process_time(), time.perf_counter()
    while passes == 0 or time.process_time() - began < seconds:
        faces += task()
        passes += 1
    return {
        "passes": passes,
        "faces": faces / passes,
        "cpu_s": (time.process_time() - began) / passes,
        "wall_s": (time.perf_counter() - wall) / passes,
    }


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """What is measured."""
    from importlib.metadata import version  # megabytes, so not before memory was asked for

    return {package: version(package) for package in packages}


def resident_mb() -> float:
    """Resident memory of this process; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
