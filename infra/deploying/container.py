"""The functions' container image: found in ECR by its sources' digest, else built and pushed."""

import dataclasses
from collections.abc import Callable
from typing import Protocol, TypedDict

from infra import template
from infra.account import Account
from infra.deploy import Deployment
from infra.deploying import parameters, registry
from infra.deploying import stack as stacks
from infra.deploying.checks import Check
from infra.deploying.events import Say
from infra.imaging.layout import Architecture
from sightline.errors import ConfigError


class Builder(Protocol):
    """Builds images; `infra.image` does, with Docker."""

    def digest_of_sources(self, engine: str) -> str:
        """Name what the image of *engine* is made of."""

    def docker_available(self) -> str | None:
        """Say why Docker cannot be used; None if it can."""

    def build(self, *, engine: str, architecture: Architecture, tag: str, say: Say) -> None:
        """Build an image, and let Docker know it as *tag*."""


def tag_of(builder: Builder, *, engine: str, architecture: Architecture) -> str:
    """Name an image by its sources, so that the same are not built and pushed again."""
    return f"{engine}-{architecture}-{builder.digest_of_sources(engine)[:20]}"


class _Kind(TypedDict):
    engine: str
    architecture: Architecture


class Image:
    """The image that a deployment needs: the one given, the one deployed, or a new one.

    Args:
        builder: Gives the builder; asked only if one is needed.
        uri: An image to use as it is.
        keep: Whether the deployed one stays.
        docker: The program.
    """

    def __init__(
        self,
        account: Account,
        deployment: Deployment,
        builder: Callable[[], Builder],
        *,
        uri: str = "",
        keep: bool = False,
        docker: str = "docker",
    ) -> None:
        self.deployment = _with_image(deployment, uri) if uri else deployment
        self._account, self._get_builder, self._docker = account, builder, docker
        self._keep, self._is_given = keep, bool(uri)
        self._builder: Builder | None = None
        self._engine = ""
        self._architecture: Architecture = "arm64"

    def check(self) -> Check | None:
        """Find out whether one must be built, and can be; None if Docker has no part in it.

        Raises:
            ConfigError: There is none to keep, or AWS does not let us look.
            TransportError: AWS is out of reach.
        """
        stack = self.deployment.stack
        if self._is_given:
            return None
        deployed = stacks.parameters(self._account, stack)
        if self._keep:
            if not deployed.get("ImageUri"):
                raise ConfigError(f"stack {stack} has no image to keep; leave --keep-image out")
            return None
        if self.deployment.parameters.get("PackageType", deployed.get("PackageType")) == "Zip":
            return None
        values = parameters.effective(template.load(), self.deployment.parameters, deployed)
        self._engine = values["Engine"]
        self._architecture = "x86_64" if values["Architecture"] == "x86_64" else "arm64"
        builder = self._get_builder()
        tag = tag_of(builder, engine=self._engine, architecture=self._architecture)
        uri = registry.find_image(self._account, stack, tag)
        if uri:
            self.deployment = _with_image(self.deployment, uri)
            return Check(name="image", verdict="ok", text=f"{tag} is in ECR already")
        self._builder = builder
        reason = builder.docker_available()
        if reason:
            return Check(name="docker", verdict="wrong", text=reason)
        return Check(name="docker", verdict="ok", text=f"it runs, and will build {tag}")

    def make(self, say: Say) -> Deployment:
        """Build and push it if `check` found that it must be; return the deployment with it.

        Raises:
            ConfigError: Docker or ECR refuses.
            TransportError: ECR is out of reach.
        """
        if self._builder is None:
            return self.deployment
        stack = self.deployment.stack
        kind: _Kind = {"engine": self._engine, "architecture": self._architecture}
        tag = f"{stack}:{tag_of(self._builder, **kind)}"
        self._builder.build(**kind, tag=tag, say=say)
        repository = registry.ensure_repository(self._account, stack, self.deployment.tags)
        image = registry.push(self._account, tag, repository, say, docker=self._docker)
        say(f"pushed {image}")
        self.deployment, self._builder = _with_image(self.deployment, image), None
        return self.deployment


def _with_image(deployment: Deployment, uri: str) -> Deployment:
    given = {**deployment.parameters, "PackageType": "Image", "ImageUri": uri}
    return dataclasses.replace(deployment, parameters=given)
