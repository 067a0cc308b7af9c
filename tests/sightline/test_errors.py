import inspect

from sightline import errors


def test_every_error_has_our_base() -> None:
    for _, error in inspect.getmembers(errors, inspect.isclass):
        assert issubclass(error, errors.SightlineError)
