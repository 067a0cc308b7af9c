"""Whether imported embeddings fit the stack that they are meant for."""

from collections.abc import Iterator
from pathlib import Path

from cloud.imports.named_vectors import NamedVectors
from infra.enrolling import engine_of
from infra.target import Target
from sightline.errors import ConfigError
from sightline.faces import facenet
from sightline.faces.cards import Card
from sightline.faces.engines import engine_card

NO_MATCH_FOR_PHOTOS = (
    "imported embeddings were made with another alignment of the face, and may be recognised less"
    " surely than photos: ./run people add NAME PHOTO… is better where there are any"
)


def engine_for(given: NamedVectors, where: Target, folder: Path | None = None) -> Card:
    """Return the stack's engine, if it made the embeddings.

    Args:
        given: The embeddings.
        where: The stack.
        folder: Where engines lie, if not in the user's cache.

    Raises:
        ConfigError: Another one did; the text says how to change the stack's.
        ModelError: The stack's engine is not known on this machine.
    """
    name = engine_of(where)
    if name == given.engine:
        return engine_card(name, folder)
    deploy = f"./run --stack {where.stack} deploy --parameter Engine={given.engine}"
    start = f"./run up --engine {given.engine}" if where.facts else deploy
    raise ConfigError(
        f"its embeddings have {given.vectors.shape[1]} numbers, as {given.engine}'s have, and the"
        f" stack recognises with {name}: embeddings of two engines are never compared. Change the"
        f" stack's engine ({start}), or enrol from photos (./run people add NAME PHOTO…)"
    )


def doubts(given: NamedVectors, engine: Card) -> Iterator[str]:
    """Say what cannot be told from the file, and keeps people from being recognised if it is so."""
    if given.engine == "dlib" and given.all_of_length_one:
        yield (
            "the embeddings all have length 1, as OpenFace's have and dlib's have not: if"
            " face_recognition did not make them, nobody will be recognised by them"
        )
    if given.engine == "facenet" and engine.id != facenet.PUBLISHED_ID:
        yield (
            f"the stack's engine is {engine.id}, with other weights than facenet-pytorch's"
            " vggface2: if the embeddings were not made with these, nobody will be recognised"
        )
