"""What a change of engine means for those who are enrolled."""

from infra.cli.console import say
from infra.enrolling import open_people
from infra.reembedding import warning
from infra.target import Target
from sightline.errors import ModelError, TransportError


def warn_of_change(where: Target, engine: str) -> None:
    """Say who was enrolled with another engine, and what to do."""
    from sightline.faces.engines import engine_card

    try:
        line = warning(open_people(where).all(), engine_card(engine).id)
    except (ModelError, TransportError) as err:  # such as an engine that is in the image alone
        line = f"whether everybody can be recognised cannot be told here: {err}"
    if line:
        say(line)
