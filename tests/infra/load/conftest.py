from tests.infra.videos.conftest import played

__all__ = ["played"]
