"""The end of a video: what its stills showed is collected, and the outputs are written.

Who does it is decided in the ledger, by a lease that one gets and that runs out, should they die.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from cloud.sightings import Listing, SightingsReader
from cloud.videos import naming
from cloud.videos.clearing import trim, write_refused
from cloud.videos.ledger import Ledger, Rejection, SupersededError, change
from cloud.videos.objects import CSV, JPEG, JSON, TXT, Objects
from cloud.videos.people_list import write_names, write_table
from cloud.videos.report import Findings, write_report, write_sighting
from cloud.videos.tally import Tally
from cloud.videos.video import Video
from sightline.errors import MessageError, MissingError, SightlineError
from sightline.messages import FrameRecognized

log = logging.getLogger(__name__)

LEASE_S = 300.0  # the functions that write outputs have no longer

_ATTEMPTS = 3  # at writing outputs while late chunks still come
_PAGE = 1000  # as many as there can be: a page costs the stand-in of one machine a look at all rows


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishingPorts:
    """Everything outside that finishing needs."""

    stage: Objects
    outputs: Objects
    ledger: Ledger
    sightings: SightingsReader


class Finishing:
    """Finishes videos."""

    def __init__(
        self,
        ports: FinishingPorts,
        *,
        now: Callable[[], datetime],
        lease_s: float = LEASE_S,
        folder: Path | None = None,
    ) -> None:
        """Join the parts.

        Args:
            ports: Everything outside.
            now: The time, with its zone.
            lease_s: After how many seconds another may take over.
            folder: Where the report is put together; None: the system's own.
        """
        self._ports = ports
        self._now = now
        self._lease_s = lease_s
        self._folder = folder

    def settle(self, video: Video, *, stalled: bool = False) -> None:
        """Write the outputs of *video*, unless there is no need to, or somebody else is at it.

        Args:
            video: As it was just read.
            stalled: Finish with what there is, if nothing more has come meanwhile.

        Raises:
            TransportError: A service did not answer; try again.
            ConfigError: The function is set up wrongly.
        """
        holder = uuid4().hex

        def claim(stands: Video) -> Video:
            is_due = stands.is_whole or (stalled and stands.changed_at == video.changed_at)
            claimed = stands.claimed(holder, lease_s=self._lease_s, now=self._now())
            return claimed if is_due and claimed is not None else stands

        try:
            if video.outcome == "refused":
                self._repair(video.name)
                change(self._ports.ledger, video, lambda stands: stands.tidied())
                return
            claimed = change(self._ports.ledger, video, claim)
            if claimed.holds(holder):
                self._finish(claimed, holder)
        except SupersededError as err:
            log.info("the upload %s is dropped: %s", video.job, err)
            self._repair(video.name)

    def _finish(self, video: Video, holder: str) -> None:
        try:
            for _ in range(_ATTEMPTS):
                finished = video.finished(
                    "done" if video.is_whole else "incomplete", now=self._now()
                )
                self._write(finished)
                video = self._note(video, finished, holder)
                if not video.holds(holder):
                    self._repair(video.name)
                    return
                if not video.is_whole:
                    break  # it did not stall after all
            change(self._ports.ledger, video, lambda stands: stands.released(holder))
        except SightlineError:
            # Who tries next need not wait for the lease to run out.
            change(self._ports.ledger, video, lambda stands: stands.released(holder))
            raise

    def _note(self, video: Video, finished: Video, holder: str) -> Video:
        """Note the end, unless chunks have come since *video*, which were not collected then."""

        def note(stands: Video) -> Video:
            if not stands.holds(holder) or _progress(stands) != _progress(video):
                return stands
            return replace(finished, revision=stands.revision)

        noted = change(self._ports.ledger, video, note)
        if noted == replace(finished, revision=noted.revision):
            log.info("the video %s is %s", ascii(video.name), noted.outcome)
        return noted

    def _write(self, video: Video) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            findings = self._collect(video, folder / "sightings")
            self._show(video, findings.tally.first_judged or video.wanted_still or 1)
            trim(video, ledger=self._ports.ledger, stage=self._ports.stage)
            write_report(video, findings, folder / "sightings", folder / "report")
            people = findings.tally.people()
            self._put(naming.json_key(video.name), folder / "report", JSON, video)
            self._put(naming.csv_key(video.name), write_table(video.name, people), CSV, video)
            names = write_names(people, has_faces=findings.tally.has_faces)
            self._put(naming.txt_key(video.name), names, TXT, video)

    def _collect(self, video: Video, sightings: Path) -> Findings:
        """Count up all sightings, and write each into the file *sightings*."""
        tally, wanted, answered = Tally(), video.wanted_still, set[int]()
        began_at = video.began_at or video.uploaded_at
        with sightings.open("w", encoding="utf-8") as file:
            for number, result in self._results(video):
                if number in answered or wanted not in (None, number):
                    continue
                answered.add(number)
                offset_ms = round((result.captured_at - began_at).total_seconds() * 1000)
                tally.add(number, offset_ms, result)
                write_sighting(file, video, number, offset_ms, result)
        return Findings(
            tally=tally,
            rejections=list(self._rejections(video, wanted, answered)),
            sampled=video.stills if wanted is None else min(1, video.stills),
        )

    def _results(self, video: Video) -> Iterator[tuple[int, FrameRecognized]]:
        listing, cursor = Listing(device=video.device, newest_first=False), None
        while True:
            page = self._ports.sightings.page(listing, limit=_PAGE, cursor=cursor)
            for result in page.results:
                try:
                    yield naming.frame_number(result.frame_id), result
                except MessageError:
                    log.warning("left out a sighting of %s that is no still's", video.device)
            cursor = page.cursor
            if cursor is None:
                return

    def _rejections(
        self, video: Video, wanted: int | None, answered: set[int]
    ) -> Iterator[Rejection]:
        for marker in self._ports.ledger.markers(video):
            for rejection in marker.rejections:
                # A still may be rejected once, and answered when its chunk came again.
                if rejection.number not in answered and wanted in (None, rejection.number):
                    answered.add(rejection.number)
                    yield rejection

    def _show(self, video: Video, number: int) -> None:
        """Put the still that stands for the video where it is looked for."""
        try:
            jpeg = self._ports.stage.get(naming.still_key(video.name, number))
        except MissingError:
            log.warning("the still %d of %s is gone", number, ascii(video.name))
            return
        key = naming.poster_key(video.name)
        if not self._ports.stage.put(key, jpeg, content_type=JPEG, stamp=video.stamp):
            raise SupersededError(f"a newer upload has the name {video.name!r}")

    def _put(self, key: str, body: bytes | Path, content_type: str, video: Video) -> None:
        outputs = self._ports.outputs
        if not outputs.put(key, body, content_type=content_type, stamp=video.stamp):
            raise SupersededError(f"a newer upload has the name {video.name!r}")

    def _repair(self, name: str) -> None:
        """Take back outputs that a newer upload, refused meanwhile, does not have."""
        stands = self._ports.ledger.find(name)
        if stands is not None and stands.outcome == "refused":
            try:
                write_refused(stands, stage=self._ports.stage, outputs=self._ports.outputs)
            except SupersededError:
                log.debug("the video %s is another's again", ascii(name))


def _progress(video: Video) -> tuple[int, int | None, int | None, int]:
    return video.chunks_done, video.chunks, video.chosen, video.stills
