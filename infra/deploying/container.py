"""The functions' container images: found in ECR by their sources' digest, else built and pushed."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypedDict

from infra import template
from infra.account import Account
from infra.deploy import Deployment
from infra.deploying import parameters, registry
from infra.deploying import stack as stacks
from infra.deploying.checks import Check
from infra.deploying.events import Say
from infra.imaging.layout import KINDS, Architecture, Kind
from sightline.errors import ConfigError


class Builder(Protocol):
    """Builds images; `infra.image` does, with Docker."""

    def digest_of_sources(self, engine: str, *, kind: Kind) -> str:
        """Name what the image of that kind, with *engine*, is made of."""

    def docker_available(self) -> str | None:
        """Say why Docker cannot be used; None if it can."""

    def build(
        self, *, engine: str, architecture: Architecture, tag: str, say: Say, kind: Kind
    ) -> None:
        """Build an image, and let Docker know it as *tag*."""


def tag_of(builder: Builder, *, engine: str, architecture: Architecture, kind: Kind) -> str:
    """Name an image by its sources, so that the same are not built and pushed again."""
    name = engine if kind == "functions" else kind
    return f"{name}-{architecture}-{builder.digest_of_sources(engine, kind=kind)[:20]}"


# The parameter that takes each.
PARAMETERS: Mapping[Kind, str] = {"functions": "ImageUri", "video": "VideoImageUri"}


class _Choice(TypedDict):
    engine: str
    architecture: Architecture


class Images:
    """The images that a deployment needs: those given, those deployed, or new ones.

    Args:
        builder: Gives the builder; asked only if one is needed.
        uris: Images to use as they are, by kind.
        keep: Whether the deployed ones stay.
        docker: The program.
    """

    def __init__(
        self,
        account: Account,
        deployment: Deployment,
        builder: Callable[[], Builder],
        *,
        uris: Mapping[Kind, str] | None = None,
        keep: bool = False,
        docker: str = "docker",
    ) -> None:
        self.deployment = deployment
        self._account, self._get_builder, self._docker = account, builder, docker
        self._keep = keep
        self._given = {kind: uri for kind, uri in (uris or {}).items() if uri}
        for kind, uri in self._given.items():
            self._use(kind, uri)
        self._builder: Builder | None = None
        self._to_build: list[Kind] = []
        self._choice: _Choice = {"engine": "", "architecture": "arm64"}

    def check(self) -> Check | None:
        """Find out which must be built, and can be; None if Docker has no part in it.

        Raises:
            ConfigError: There is none to keep, or AWS does not let us look.
            TransportError: AWS is out of reach.
        """
        stack = self.deployment.stack
        if len(self._given) == len(KINDS):
            return None
        deployed = stacks.parameters(self._account, stack)
        wanted: list[Kind] = [kind for kind in KINDS if kind not in self._given]
        if self._keep:
            self._expect_all(wanted, deployed)
            return None
        if self.deployment.parameters.get("PackageType", deployed.get("PackageType")) == "Zip":
            return None
        values = parameters.effective(template.load(), self.deployment.parameters, deployed)
        self._choice = {
            "engine": values["Engine"],
            "architecture": "x86_64" if values["Architecture"] == "x86_64" else "arm64",
        }
        return self._look(wanted, self._get_builder())

    def make(self, say: Say) -> Deployment:
        """Build and push what `check` found must be; return the deployment with all of them.

        Raises:
            ConfigError: Docker or ECR refuses.
            TransportError: ECR is out of reach.
        """
        builder, stack = self._builder, self.deployment.stack
        while builder is not None and self._to_build:
            kind = self._to_build[0]
            tag = f"{stack}:{tag_of(builder, **self._choice, kind=kind)}"
            builder.build(**self._choice, tag=tag, say=say, kind=kind)
            repository = registry.ensure_repository(self._account, stack, self.deployment.tags)
            image = registry.push(self._account, tag, repository, say, docker=self._docker)
            say(f"pushed {image}")
            self._use(kind, image)
            self._to_build.pop(0)
        return self.deployment

    def _look(self, wanted: Sequence[Kind], builder: Builder) -> Check:
        tags = {kind: tag_of(builder, **self._choice, kind=kind) for kind in wanted}
        for kind, tag in tags.items():
            uri = registry.find_image(self._account, self.deployment.stack, tag)
            if uri:
                self._use(kind, uri)
            else:
                self._to_build.append(kind)
        if not self._to_build:
            text = f"{' and '.join(tags.values())} {'is' if len(tags) == 1 else 'are'}"
            return Check(name="image", verdict="ok", text=f"{text} in ECR already")
        self._builder = builder
        reason = builder.docker_available()
        if reason:
            return Check(name="docker", verdict="wrong", text=reason)
        named = " and ".join(tags[kind] for kind in self._to_build)
        return Check(name="docker", verdict="ok", text=f"it runs, and will build {named}")

    def _expect_all(self, wanted: Sequence[Kind], deployed: Mapping[str, str]) -> None:
        missing = [kind for kind in wanted if not deployed.get(PARAMETERS[kind])]
        if missing:
            stack = self.deployment.stack
            raise ConfigError(
                f"stack {stack} has no image of {' and '.join(missing)} to keep; leave "
                "--keep-image out"
            )

    def _use(self, kind: Kind, uri: str) -> None:
        given = {**self.deployment.parameters, "PackageType": "Image", PARAMETERS[kind]: uri}
        self.deployment = dataclasses.replace(self.deployment, parameters=given)
