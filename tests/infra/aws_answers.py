"""An account whose clients give fixed answers, for what MiniStack does not have."""

from collections.abc import Mapping
from typing import Any


class Answers:
    """Stands for `infra.account.Account`: answers by "service.operation".

    An answer that can be called is called, so that it may raise.
    """

    region = "eu-central-1"

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str) -> Any:
        return _Client(self, service)

    def answer(self, name: str, arguments: dict[str, Any]) -> Any:
        self.asked.append((name, arguments))
        answer = self._answers[name]
        return answer() if callable(answer) else answer


class _Client:
    def __init__(self, account: Answers, service: str) -> None:
        self._account, self._service = account, service

    def __getattr__(self, operation: str) -> Any:
        return lambda **given: self._account.answer(f"{self._service}.{operation}", given)

    def get_paginator(self, operation: str) -> Any:
        return _Pages(self, operation)


class _Pages:
    def __init__(self, client: _Client, operation: str) -> None:
        self._client, self._operation = client, operation

    def paginate(self, **given: Any) -> Any:
        yield getattr(self._client, self._operation)(**given)
