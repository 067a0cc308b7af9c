"""The image's way into ECR, by the messages that AWS documents and a `docker` that is a script.

Not on MiniStack: there is no Docker engine here, and so nothing that could push.
"""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.deploy import Deployment
from infra.deploying import registry
from infra.deploying.container import Images, tag_of
from infra.deploying.events import Say
from infra.imaging import layout as image_layout
from infra.imaging.layout import Architecture, Kind
from sightline.errors import ConfigError, TransportError
from tests.infra.stubbed import ID, REGION, Stubbed, described, stubbed

HOST = f"{ID}.dkr.ecr.{REGION}.amazonaws.com"
URI = f"{HOST}/cam"
DIGEST = "sha256:" + 64 * "a"


@pytest.fixture
def aws() -> Iterator[Stubbed]:
    with stubbed() as aws:
        yield aws
        aws.all_asked()


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A `docker` that notes what it is told; `says` beside it makes its push fail."""
    script = tmp_path / "docker"
    script.write_text(
        "#!/bin/sh\n"
        f'cd "{tmp_path}"\n'
        'echo "$@" >>told\n'
        '[ "$1" != login ] || cat >password\n'
        'if [ "$1" = push ] && [ -f says ]; then cat says >&2; exit 1; fi\n'
    )
    script.chmod(0o755)
    return script


def repository(aws: Stubbed, *, is_there: bool = True) -> None:
    if is_there:
        found = {"repositories": [{"repositoryUri": URI, "repositoryName": "cam"}]}
        aws.answer("ecr", "describe_repositories", found)
    else:
        aws.refuse("ecr", "describe_repositories", "RepositoryNotFoundException")


def password(aws: Stubbed) -> None:
    token = base64.b64encode(b"AWS:secret-word").decode()
    aws.answer("ecr", "get_authorization_token", {"authorizationData": [
        {"authorizationToken": token, "proxyEndpoint": f"https://{HOST}"}
    ]})  # fmt: skip


def test_a_repository_is_made_once_scanned_encrypted_and_tagged(aws: Stubbed) -> None:
    repository(aws, is_there=False)
    aws.of("ecr").add_response(
        "create_repository",
        {"repository": {"repositoryUri": URI}},
        {
            "repositoryName": "cam",
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfiguration": {"encryptionType": "AES256"},
            "tags": [{"Key": "stack", "Value": "cam"}],
        },
    )
    aws.answer("ecr", "put_lifecycle_policy", {})
    repository(aws)

    assert registry.ensure_repository(aws.account, "cam", {"stack": "cam"}) == URI
    assert registry.ensure_repository(aws.account, "cam", {"stack": "cam"}) == URI


def test_an_image_is_pushed_and_named_by_its_digest(aws: Stubbed, docker: Path) -> None:
    password(aws)
    repository(aws)
    aws.answer("ecr", "describe_images", {"imageDetails": [{"imageDigest": DIGEST}]})

    pushed = registry.push(aws.account, "cam:v1", URI, lambda _: None, docker=str(docker))

    assert pushed == f"{URI}@{DIGEST}"
    told = (docker.parent / "told").read_text().splitlines()
    assert told == [
        f"login --username AWS --password-stdin {HOST}",
        f"tag cam:v1 {URI}:v1",
        f"push --quiet {URI}:v1",
    ]
    assert (docker.parent / "password").read_text() == "secret-word"


@pytest.mark.parametrize(
    ("said", "error", "mend"),
    [
        ("denied: not authorized to perform: ecr:PutImage", ConfigError, "needs ecr:InitiateLayer"),
        ("Cannot connect to the Docker daemon at unix:///x", ConfigError, "start Docker"),
        ("write /layer: no space left on device", ConfigError, "docker system prune"),
        ("net/http: TLS handshake timeout", TransportError, "goes on with what is missing"),
        ("something else", ConfigError, "pushing the image to .+: something else"),
    ],
)
def test_a_refused_push_is_said_with_its_mend(
    aws: Stubbed, docker: Path, said: str, error: type[Exception], mend: str
) -> None:
    password(aws)
    (docker.parent / "says").write_text(f"The push refers to repository\n{said}\n")

    with pytest.raises(error, match=mend):
        registry.push(aws.account, "cam:v1", URI, lambda _: None, docker=str(docker))


def test_docker_that_is_missing_is_said_with_the_other_way(aws: Stubbed) -> None:
    password(aws)

    with pytest.raises(ConfigError, match=r"install Docker, or build elsewhere .+ --image-uri"):
        registry.push(aws.account, "cam:v1", URI, lambda _: None, docker="/nonexistent/docker")


def test_no_right_to_ecr_is_the_operators_to_mend(aws: Stubbed) -> None:
    aws.refuse("ecr", "describe_repositories", "AccessDeniedException", "no", 400)

    with pytest.raises(ConfigError, match="looking for the image cam:v1: AccessDeniedException"):
        registry.find_image(aws.account, "cam", "v1")


def test_removing_takes_the_images_with_it_and_none_is_no_error(aws: Stubbed) -> None:
    repository(aws)
    aws.of("ecr").add_response("delete_repository", {}, {"repositoryName": "cam", "force": True})
    repository(aws, is_there=False)

    assert registry.remove_repository(aws.account, "cam")
    assert not registry.remove_repository(aws.account, "cam")


class Builder:
    """Builds nothing, and notes what was asked."""

    def __init__(self, reason: str | None = None) -> None:
        self.built: list[str] = []
        self._reason = reason

    def digest_of_sources(self, engine: str, *, kind: Kind) -> str:
        return f"digest-of-{engine if kind == 'functions' else kind}"

    def docker_available(self) -> str | None:
        return self._reason

    def build(
        self, *, engine: str, architecture: Architecture, tag: str, say: Say, kind: Kind
    ) -> None:
        self.built.append(tag)


def image(aws: Stubbed, builder: Builder, *, docker: str = "docker", **options: bool) -> Images:
    return Images(
        aws.account, Deployment(stack="cam"), lambda: builder, docker=docker, keep=bool(options)
    )


def no_stack(aws: Stubbed) -> None:
    aws.refuse("cloudformation", "describe_stacks", "ValidationError", "s does not exist")


def test_the_image_of_the_same_sources_is_not_built_again(aws: Stubbed) -> None:
    no_stack(aws)
    for _ in range(2):
        repository(aws)
        aws.answer("ecr", "describe_images", {"imageDetails": [{"imageDigest": DIGEST}]})
    builder = Builder("docker is down")
    wanted = image(aws, builder)

    found = wanted.check()

    assert found is not None
    assert found.line == (
        "ok    image: dlib-arm64-digest-of-dlib and video-arm64-digest-of-video are in ECR already"
    )
    assert wanted.make(lambda _: None).parameters == {
        "PackageType": "Image",
        "ImageUri": f"{URI}@{DIGEST}",
        "VideoImageUri": f"{URI}@{DIGEST}",
    }
    assert builder.built == []


def test_new_images_are_built_and_pushed(aws: Stubbed, docker: Path) -> None:
    no_stack(aws)
    for _ in range(3):  # neither image, nor a place for them
        repository(aws, is_there=False)
    aws.answer("ecr", "create_repository", {"repository": {"repositoryUri": URI}})
    aws.answer("ecr", "put_lifecycle_policy", {})
    password(aws)
    repository(aws)
    aws.answer("ecr", "describe_images", {"imageDetails": [{"imageDigest": DIGEST}]})
    repository(aws)
    password(aws)
    repository(aws)
    aws.answer("ecr", "describe_images", {"imageDetails": [{"imageDigest": DIGEST}]})
    builder = Builder()
    wanted = image(aws, builder, docker=os.fspath(docker))

    found = wanted.check()
    made = wanted.make(lambda _: None)

    assert found is not None
    assert found.verdict == "ok"
    assert builder.built == [
        "cam:dlib-arm64-digest-of-dlib",
        "cam:video-arm64-digest-of-video",
    ]
    assert made.parameters["ImageUri"] == made.parameters["VideoImageUri"] == f"{URI}@{DIGEST}"


def test_an_image_that_is_given_is_not_looked_for(aws: Stubbed) -> None:
    given = Images(
        aws.account,
        Deployment(stack="cam"),
        lambda: Builder("docker is down"),
        uris={"functions": f"{URI}:mine", "video": f"{URI}:video"},
    )

    assert given.check() is None
    assert given.make(lambda _: None).parameters == {
        "PackageType": "Image",
        "ImageUri": f"{URI}:mine",
        "VideoImageUri": f"{URI}:video",
    }


def test_docker_that_is_down_is_found_before_anything_is_deployed(aws: Stubbed) -> None:
    no_stack(aws)
    for _ in range(2):
        repository(aws, is_there=False)

    found = image(aws, Builder("docker's daemon does not answer; start it")).check()

    assert found is not None
    assert found.line == "wrong docker: docker's daemon does not answer; start it"


def test_the_deployed_image_can_be_kept_where_there_is_one(aws: Stubbed) -> None:
    with_image = [
        {"ParameterKey": name, "ParameterValue": f"{URI}@{DIGEST}"}
        for name in ("ImageUri", "VideoImageUri")
    ]
    aws.answer(
        "cloudformation", "describe_stacks", described("CREATE_COMPLETE", Parameters=with_image)
    )
    kept = image(aws, Builder("docker is down"), keep=True)
    assert kept.check() is None
    assert kept.make(lambda _: None) == Deployment(stack="cam")

    no_stack(aws)
    with pytest.raises(ConfigError, match="stack cam has no image of functions and video to keep"):
        image(aws, Builder(), keep=True).check()


def test_the_tag_says_engine_processor_and_sources() -> None:
    tags = [
        tag_of(Builder(), engine="dlib", architecture="x86_64", kind=kind)
        for kind in image_layout.KINDS
    ]

    assert tags == ["dlib-x86_64-digest-of-dlib", "video-x86_64-digest-of-video"]
