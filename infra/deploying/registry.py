"""The image repository of a stack in ECR: outside the stack, since an image must be there first."""

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence

from botocore.exceptions import ClientError

from infra.account import Account, error_code, translated
from infra.deploying.events import Say
from sightline.errors import ConfigError, TransportError

# Compressed, as ECR bills it: 107 MB (dlib, arm64) to 197 MB (facenet, x86_64) of ours by
# docs/benchmarks.md, a guess of 50 MB for the base image, which is kept once, and one of 70 MB for
# the image that takes videos apart.
IMAGE_GB = 0.32
IMAGES_KEPT = 20  # two a deployment; more than anybody goes back, for a third of a dollar a month


def describe(account: Account, name: str) -> str | None:
    """Return a repository's URI, None if there is none; errors are boto3's."""
    try:
        found = account.client("ecr").describe_repositories(repositoryNames=[name])
    except ClientError as err:
        if error_code(err) == "RepositoryNotFoundException":
            return None
        raise
    uri: str = found["repositories"][0]["repositoryUri"]
    return uri


def ensure_repository(account: Account, name: str, tags: Mapping[str, str] | None = None) -> str:
    """Return the repository's URI; it is made if there is none.

    Raises:
        ConfigError: ECR refuses.
        TransportError: ECR is out of reach.
    """
    ecr = account.client("ecr")
    with translated(f"making the image repository {name}"):
        uri = describe(account, name)
        if uri is not None:
            return uri
        made = ecr.create_repository(
            repositoryName=name,
            imageTagMutability="IMMUTABLE",  # a tag names the digest of its sources
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration={"encryptionType": "AES256"},
            tags=[{"Key": k, "Value": v} for k, v in (tags or {}).items()],
        )
        ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps(_LIFECYCLE))
    new: str = made["repository"]["repositoryUri"]
    return new


_LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "old images",
            "selection": {
                "tagStatus": "any",
                "countType": "imageCountMoreThan",
                "countNumber": IMAGES_KEPT,
            },
            "action": {"type": "expire"},
        }
    ]
}


def find_image(account: Account, name: str, tag: str) -> str | None:
    """Return the URI, by digest, of the image that has *tag*; None if there is none.

    Raises:
        ConfigError: ECR does not let us look.
        TransportError: ECR is out of reach.
    """
    with translated(f"looking for the image {name}:{tag}"):
        uri = describe(account, name)
        if uri is None:
            return None
        try:
            found = account.client("ecr").describe_images(
                repositoryName=name, imageIds=[{"imageTag": tag}]
            )
        except ClientError as err:
            if error_code(err) == "ImageNotFoundException":
                return None
            raise
    return f"{uri}@{found['imageDetails'][0]['imageDigest']}"


def push(account: Account, tag: str, uri: str, say: Say, *, docker: str = "docker") -> str:
    """Push the local image *tag* into the repository *uri*; return the image's URI by digest.

    Args:
        tag: `name:version` of an image that this machine's Docker has.
        docker: The program.

    Raises:
        ConfigError: Docker is missing, or ECR refuses; the text ends with what was said last.
        TransportError: ECR is out of reach.
    """
    version = tag.rpartition(":")[2]
    with translated("asking ECR for a password"):
        given = account.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
    host = uri.partition("/")[0]
    _docker(
        [docker, "login", "--username", user, "--password-stdin", host],
        f"signing in to {host}",
        given=password,  # not an argument: those can be seen by everybody on the machine
    )
    _docker([docker, "tag", tag, f"{uri}:{version}"], f"naming the image {tag}")
    say(f"pushing {uri}:{version} …")
    _docker([docker, "push", "--quiet", f"{uri}:{version}"], f"pushing the image to {uri}")
    image = find_image(account, uri.partition("/")[2], version)
    if image is None:
        raise TransportError(f"the image was pushed, but ECR does not know {uri}:{version}")
    return image


def remove_repository(account: Account, name: str) -> bool:
    """Delete a repository with its images; says whether there was one.

    Raises:
        ConfigError: ECR refuses.
        TransportError: ECR is out of reach.
    """
    with translated(f"deleting the image repository {name}"):
        if describe(account, name) is None:
            return False
        account.client("ecr").delete_repository(repositoryName=name, force=True)
    return True


# What Docker says, and what mends it.
_MENDS = {
    "denied": "your AWS user needs ecr:InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload, "
    "BatchCheckLayerAvailability and PutImage on this repository",
    "403": "your AWS user may not write to this repository",
    "no basic auth": "Docker did not keep the sign-in; see its credential helper (credsStore)",
    "cannot connect to the docker daemon": "start Docker, and the same again",
    "no space left": "free some disk space: docker system prune",
}
_PASSING = ("timeout", "connection reset", "connection refused", "no such host", "eof", "tls")


def _docker(command: Sequence[str], doing: str, *, given: str = "") -> None:
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except OSError as err:
        raise ConfigError(
            f"{doing}: cannot run {command[0]}: {err.strerror}; install Docker, or build elsewhere "
            "and give the image with --image-uri"
        ) from err
    if done.returncode == 0:
        return
    said = (done.stderr or done.stdout).strip()
    last, low = (said.splitlines() or ["no reason given"])[-1], said.lower()
    for sign, mend in _MENDS.items():
        if sign in low:
            raise ConfigError(f"{doing}: {last}; {mend}")
    if any(sign in low for sign in _PASSING):
        raise TransportError(f"{doing}: {last}; the same again goes on with what is missing")
    raise ConfigError(f"{doing}: {last}")
