"""`python -m infra`, which `./run` calls."""

import sys

from infra.cli import main

sys.exit(main())
