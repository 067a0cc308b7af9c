"""`video`: who is in these videos?"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from infra.cli.console import print_table, say, tell
from infra.cli.context import chosen, target
from infra.target import Target

if TYPE_CHECKING:
    from cloud.videos.ledger import VideoReader
    from infra.videos.buckets import S3Bucket
    from infra.videos.files import VideoFile
    from infra.videos.following import Following, Upload

app = typer.Typer()

STOPPED = 130  # as a shell says it of Ctrl-C
SAMPLING = "sightline-sampling"  # what an upload may say beside itself


@app.command(epilog="Example: ./run video party.mp4 holidays/ --out seen --sampling every:2")
def video(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Videos, or folders of videos.")
    ],
    folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the results go.")
    ] = Path("video-results"),
    sampling: Annotated[
        str | None,
        typer.Option(
            help="Which pictures are looked at: every:0.5 (seconds), first, all, scenes; unless"
            " given, as the stack is set."
        ),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=1, help="Wait for so many seconds.")
    ] = 3600,
    again: Annotated[
        bool, typer.Option("--again", help="Upload nothing: ask after what was uploaded before.")
    ] = False,
) -> None:
    """Find out who is in videos: upload them, wait, fetch the results, draw contact sheets.

    For each, DIR gets NAME.txt (names, most seen first), .csv (a row a person), .json
    (everything), .jpg (a still) and .contact-sheet.png. Ends with an error if a video was refused
    or is incomplete. Ctrl-C leaves the stack at work; --again asks after it.
    """
    # Here, since OpenCV would make even `--help` wait for it.
    from infra.videos.files import check_sizes, videos_of

    found = videos_of(files)
    metadata = {}
    if sampling is not None:
        from cloud.videos.sampling import Sampling

        metadata[SAMPLING] = str(Sampling.parse(sampling))
    folder.mkdir(parents=True, exist_ok=True)
    where = target(context)
    if not again:
        check_sizes(found, _max_mb(where))
    try:
        following, uploads = _follow(where, found, metadata, timeout_s=timeout_s, again=again)
    except KeyboardInterrupt:
        say(f"stopped; what was uploaded is worked on. To ask after it:  {_ask(context, files)}")
        raise typer.Exit(STOPPED) from None
    bad = _show(where, following, uploads, folder)
    if following.open:
        say(f"not waited for any longer. To ask again:  {_ask(context, files)}")
    if bad or following.open:
        raise typer.Exit(1)


def _follow(
    where: Target,
    files: "Sequence[VideoFile]",
    metadata: dict[str, str],
    *,
    timeout_s: float,
    again: bool,
) -> "tuple[Following, list[Upload]]":
    from infra.cli.video_progress import VideoProgress
    from infra.videos.following import Following, upload, uploaded_before
    from infra.videos.waiting import wait

    inbox, output = _bucket(where, "InputBucket"), _bucket(where, "OutputBucket")
    uploads = []
    with VideoProgress() as progress:
        for file in files:
            if again:
                uploads.append(uploaded_before(file, inbox, output))
                continue
            sent = progress.sending(file)
            uploads.append(upload(file, inbox, output, metadata=metadata, sent=sent))
            progress.sent(file)
        following = Following(uploads, output, _notes(where))
        wait(following, timeout_s=timeout_s, show=progress.show)
    return following, uploads


def _show(where: Target, following: "Following", uploads: "Sequence[Upload]", folder: Path) -> bool:
    """Fetch and tell all there is; tell whether something is wrong with any of it."""
    from infra.videos import outputs

    stage, output = _bucket(where, "StageBucket"), _bucket(where, "OutputBucket")
    table = outputs.rows(uploads, following.results)
    said: list[str] = []
    bad: list[str] = []
    for each in uploads:
        result = following.results.get(each.file.key)
        if result is None:
            why = outputs.REPLACED if each in following.replaced else "it has no result yet"
            bad.append(f"{each.file.key}: {why}")
            continue
        outputs.fetch(result, folder, stage=stage, output=output)
        first, *notes = outputs.lines(result)
        (said if result.complaint is None else bad).append(first)
        said += notes
    escaped = [tuple(map(escape, row)) for row in table]
    print_table(outputs.COLUMNS, escaped, empty="nobody known was seen")
    tell("")
    for line in said:
        tell(line)
    if following.results:
        tell(f"results and contact sheets  {folder}")
    for line in bad:
        say(f"sightline: {line}")
    return bool(bad)


def _bucket(where: Target, output: str) -> "S3Bucket":
    from infra.videos.buckets import S3Bucket

    return S3Bucket(where.client("s3"), where.output(output))


def _max_mb(where: Target) -> int:
    """Ask how large a video the stack takes; one that does not say takes what any can."""
    from cloud.videos.settings import MAX_VIDEO_MB
    from infra.deploying.stack import parameters

    return int(parameters(where.account, where.stack).get("MaxVideoMb", MAX_VIDEO_MB))


def _notes(where: Target) -> "VideoReader":
    from cloud.videos.ledger_table import LedgerTable

    return LedgerTable(where.client("dynamodb"), where.output("VideosTable"))


def _ask(context: typer.Context, files: Sequence[Path]) -> str:
    """Write the command that asks after videos which are worked on."""
    choice = chosen(context)
    words = ["./run"]
    if choice.stack is not None:
        words += ["--stack", choice.stack]
        words += ["--region", choice.region] if choice.region else []
        words += ["--profile", choice.profile] if choice.profile else []
    return shlex.join([*words, "video", "--again", *(str(each) for each in files)])
