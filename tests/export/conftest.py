"""The tests here need torch, in an environment of its own that they make: a gigabyte and more.

So they are collected only where SIGHTLINE_EXPORT is set, as `.ci/run` does.
"""

import os

collect_ignore_glob = [] if os.environ.get("SIGHTLINE_EXPORT") else ["test_*.py"]
