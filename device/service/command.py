"""`sightline-device install` and `sightline-device uninstall`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from device.service.host import Host, ThisHost
from device.service.installing import NAME, Installer, Step
from sightline.errors import ConfigError

COMMANDS = ("install", "uninstall")


def main(argv: Sequence[str], host: Host | None = None) -> int:
    """Do one of the two; return the exit status: 0 done, 2 the message says what to mend."""
    arguments = _arguments(argv)
    host = host or ThisHost()
    installer = Installer(host, root=arguments.root.absolute())
    try:
        here = arguments.root.absolute() == Path("/")
        if here and not arguments.dry_run and not host.is_root():
            raise ConfigError(f"this changes the system: sudo {NAME} {' '.join(argv)}")
        if arguments.command == "uninstall":
            return _work(installer.uninstall(purge=arguments.purge), dry=arguments.dry_run)
        settings = installer.check(arguments.folder)
        steps = installer.install(arguments.folder, settings, start=not arguments.no_start)
        status = _work(steps, dry=arguments.dry_run)
        if here and not arguments.dry_run:
            _say(f"next: systemctl status {NAME}; journalctl -fu {NAME}")
    except ConfigError as err:
        print(f"{NAME}: {err}", file=sys.stderr)  # noqa: T201
        return 2
    except OSError as err:
        print(f"{NAME}: {err.filename}: {err.strerror or err}", file=sys.stderr)  # noqa: T201
        return 2
    return status


def _work(steps: Sequence[Step], *, dry: bool) -> int:
    for step in steps:
        if dry:
            _say(f"would {step.says}")
        else:
            _say(step.says if step.do() else f"{step.says}: it is so already")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    install = commands.add_parser("install", help="run the agent as a service, from now on")
    install.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="FOLDER",
        help="as `./run provision` made it; without, the settings stay as they are installed",
    )
    install.add_argument("--no-start", action="store_true", help="do not start it now")
    uninstall = commands.add_parser("uninstall", help="stop it, and take the service off")
    uninstall.add_argument(
        "--purge", action="store_true", help="with its settings, key, frames and user"
    )
    for each in (install, uninstall):
        each.add_argument("--dry-run", action="store_true", help="only say what would be done")
        each.add_argument(
            "--root",
            type=Path,
            default=Path("/"),
            metavar="DIR",
            help="write the files below DIR, and do nothing else",
        )
    return parser.parse_args(argv)
