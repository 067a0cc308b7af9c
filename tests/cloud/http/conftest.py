"""The API, and who asks it."""

import pytest

from tests.cloud.http.world import Client, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    """Somebody who may do everything."""
    return Client(world.application())
