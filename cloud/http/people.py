"""`/v1/people`: who is enrolled; over the same service as `people …` on the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cloud.fetching import FrameStore
from cloud.http import bodies, queries
from cloud.http.authentication import Caller
from cloud.http.new_person import check_said, read_new_person
from cloud.http.problems import Problem
from sightline.errors import ConfigError
from sightline.wire import Json, write_time

# numpy comes with these, and who asks for the API's health should not wait for it. So what is
# called of them is imported where it is called.
if TYPE_CHECKING:
    from cloud.enrolment import Outcome
    from cloud.people import Entry, People
    from cloud.register import EnrolledPerson, RegisterReader

MOST = 200  # each may have 4 KB of record, and Lambda answers with up to 6 MB


class PeopleResource:
    """Serves `/v1/people` and `/v1/people/{id}`."""

    def __init__(
        self,
        *,
        people: "Callable[[], People]",
        register: "Callable[[], RegisterReader]",
        photos: Callable[[], FrameStore],
    ) -> None:
        """Take what is needed.

        Args:
            people: The service; it must be able to take photos.
            register: What it works on, to list people without reading every face of theirs.
            photos: The media bucket, where photos may lie.
        """
        self._people = people
        self._register = register
        self._photos = photos

    async def list(self, request: Request, _caller: Caller) -> Response:
        """List people by id."""
        asked = queries.read(request, ("cursor", "limit"))
        limit, after = queries.limit(asked, MOST), asked.get("cursor", "")
        people = self._register().people()
        ids = sorted(id_ for id_ in people if id_ > after)
        cursor = ids[limit - 1] if len(ids) > limit else None
        shown = [_person(people[id_]) for id_ in ids[:limit]]
        return JSONResponse({"people": shown, "cursor": cursor})

    async def post(self, request: Request, _caller: Caller) -> Response:
        """Enrol somebody new."""
        new = await read_new_person(request)
        addition = self._people().add(
            new.name,
            new.photos(self._photos),
            record=new.record,
            consent=new.consent,
            force=new.force,
        )
        outcomes: Json = [_outcome(each) for each in addition.outcomes]
        if addition.person is None:
            raise Problem(
                422,
                "photos-refused",
                f"{new.name} is not enrolled: every photo was refused, each for its own reason",
                more={"photos": outcomes},
            )
        answer = {"person": _person(addition.person), "photos": outcomes}
        location = {"location": f"/v1/people/{addition.person.id}"}
        return JSONResponse(answer, 201, headers=location)

    async def get(self, request: Request, _caller: Caller) -> Response:
        """Show one person."""
        person_id = self._known(request)
        with self._looking_at(person_id):
            return JSONResponse(_entry(self._people().get(person_id)))

    async def patch(self, request: Request, _caller: Caller) -> Response:
        """Change what is given of one person."""
        bodies.media_type(request, [bodies.JSON])
        body = await bodies.read_json(request)
        name, consent = bodies.text_of(body, "name"), bodies.text_of(body, "consent")
        record = bodies.value_of(dict[str, Json], body, "record")
        if name is None and record is None and consent is None:
            raise Problem(400, "bad-field", "nothing is given to change: name, record or consent")
        check_said(name=name, record=record, consent=consent)
        person_id = self._known(request)
        with self._looking_at(person_id):
            changed = self._people().change(person_id, name=name, record=record, consent=consent)
        return JSONResponse(_person(changed))

    async def delete(self, request: Request, _caller: Caller) -> Response:
        """Forget one person, and all of their faces."""
        person_id = self._known(request)
        with self._looking_at(person_id):
            self._people().remove(person_id)
        return Response(status_code=204)

    def _known(self, request: Request) -> str:
        """Return the id in the URL.

        `People.get` would look for the nearest among everybody, for whoever made a mistake.

        Raises:
            Problem: 404, if nobody has it.
        """
        from cloud.register import check_person_id

        person_id: str = request.path_params["id"]
        try:
            check_person_id(person_id)
        except ConfigError as err:
            raise _nobody() from err
        if not self._register().people([person_id]):
            raise _nobody()
        return person_id

    @contextmanager
    def _looking_at(self, person_id: str) -> Iterator[None]:
        """Say what it means if somebody else is at the same person."""
        from cloud.register import ConflictError

        try:
            yield
        except ConflictError as err:
            raise Problem(409, "conflict", str(err)) from err
        except ConfigError as err:
            if self._register().people([person_id]):
                raise
            raise _nobody() from err


def _nobody() -> Problem:
    return Problem(404, "no-such-person", "nobody has this id; GET /v1/people lists everybody")


def _person(person: "EnrolledPerson") -> dict[str, Json]:
    return {
        "id": person.id,
        "name": person.name,
        "record": person.record,
        "consent": person.consent,
        "created_at": write_time(person.created_at),
        "updated_at": write_time(person.updated_at),
    }


def _entry(entry: "Entry") -> dict[str, Json]:
    faces = [
        {
            "id": face.id,
            "engine": face.engine,
            "side_px": face.side_px,
            "sharpness": face.sharpness,
            "added_at": write_time(face.added_at),
        }
        for face in entry.faces
    ]
    return {**_person(entry.person), "faces": faces}


def _outcome(outcome: "Outcome") -> dict[str, Json]:
    return {
        "photo": outcome.photo,
        "accepted": outcome.accepted,
        "reason": outcome.reason,
        "detail": outcome.detail,
    }
