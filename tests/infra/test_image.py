"""The container's description: the Dockerfile against the layout, and how docker is asked.

There is no docker in the tests: a script stands for it that says what docker says.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

from cloud.settings import Settings
from infra import image, template
from infra.cli import main
from infra.imaging import layout as image_layout
from infra.imaging import tree as image_tree
from infra.imaging.layout import ARCHITECTURES, CODE, ENGINE, KINDS, PARTS, PARTS_OF, Kind
from infra.packaging import PROJECT
from sightline.errors import ConfigError, ModelError
from sightline.faces import facenet
from sightline.faces.engines import NAMES
from tests.infra.imaging.dockerfile import Dockerfile, Stage
from tests.sightline.faces.networks import install, tiny_network

DOCKERFILE = Dockerfile.read(image.DOCKERFILE)
LAST = {kind: DOCKERFILE.stage(kind) for kind in KINDS}
REQUIREMENTS = PROJECT / "requirements"

HEALTHY = 'echo "28.2.2"'
BUILDS = """
case "$1 $2" in
  "buildx build") printf '%s\\n' "$@" > "$ASKED"
    echo '#1 [internal] load build definition'; echo '#9 [packages 3/4] RUN pip'; echo '#9 DONE' ;;
  *) echo 28.2.2 ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Make an environment in which docker is a script."""

    def make(script: str) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "docker").chmod(0o755)
        return {"PATH": f"{folder}:/usr/bin:/bin", "ASKED": str(tmp_path / "asked")}

    return make


# ------------------------------------------------------------------ the last stage is the layout


def test_the_images_are_the_last_stages() -> None:
    assert {stage.name for stage in DOCKERFILE.stages[-2:]} == set(KINDS)
    assert DOCKERFILE.stages[-1].name == "functions"  # what is built if nobody says which


@pytest.mark.parametrize("kind", KINDS)
def test_a_last_stage_has_the_parts_and_nothing_else(kind: Kind) -> None:
    stages = {"packages": "packages" if kind == "functions" else "video-packages"}

    assert LAST[kind].copies == [
        (stages.get(part, part), [f"/tree{at}"], str(at)) for part, at in PARTS_OF[kind].items()
    ]
    assert not LAST[kind].all("RUN")
    assert not LAST[kind].all("ADD")


@pytest.mark.parametrize("kind", KINDS)
def test_a_last_stage_runs_as_the_layout_says(kind: Kind) -> None:
    last = LAST[kind]

    assert last.environment == dict(image_layout.ENVIRONMENT)
    assert last.words("WORKDIR") == [str(CODE)]
    assert last.words("USER") == [image_layout.USER]
    assert not image_layout.USER.startswith("0")
    assert tuple(last.words("ENTRYPOINT")) == image_layout.ENTRYPOINT
    assert tuple(last.words("CMD")) == image_layout.COMMANDS[kind]


def test_the_functions_of_the_video_image_are_those_that_the_template_gives_it() -> None:
    functions = [
        body["Properties"]
        for body in template.load()["Resources"].values()
        if body["Type"] == "AWS::Lambda::Function"
        and body["Properties"]["Code"]["Fn::If"][1] == {"ImageUri": {"Ref": "VideoImageUri"}}
    ]

    assert [each["Handler"]["Fn::If"][2] for each in functions] == [*image_layout.COMMANDS["video"]]


def test_the_base_is_pinned_and_of_the_layouts_python() -> None:
    assert {last.base for last in LAST.values()} == {"${PYTHON}"}
    version = "{}.{}".format(*image_layout.PYTHON)
    pinned = rf"python:{version}\.\d+-slim-\w+@sha256:[0-9a-f]{{64}}"
    assert re.fullmatch(pinned, DOCKERFILE.arguments["PYTHON"])


def test_the_stages_fill_the_parts_with_the_code_that_assembles_a_folder() -> None:
    (packages,) = DOCKERFILE.stage("packages").all("RUN")
    (video,) = DOCKERFILE.stage("video-packages").all("RUN")
    (code,) = DOCKERFILE.stage("code").all("RUN")
    engines = [s.all("RUN")[-1] for s in DOCKERFILE.stages if s.name.startswith("engine-")]

    wanted = f'infra.imaging.tree packages --architecture "$TARGETARCH" /tree{PARTS["packages"]}'
    assert wanted in packages
    assert wanted.replace("packages", "packages --of video", 1) in video
    assert code == f"python -m infra.imaging.tree code /tree{CODE}"
    assert len(engines) == 3
    assert all("infra.imaging.engine" in run and f"/tree{ENGINE}" in run for run in engines)


def test_nothing_but_the_last_stage_runs_on_another_processor_than_the_builders() -> None:
    text = image.DOCKERFILE.read_text()

    assert "FROM --platform=$BUILDPLATFORM ${PYTHON} AS tools" in text
    bases = {stage.name: stage.base for stage in DOCKERFILE.stages if stage.name not in KINDS}
    roots = {base for base in bases.values() if base not in bases}
    assert roots == {"${PYTHON}", "scratch", "engine-${ENGINE_FROM}"}
    assert [name for name, base in bases.items() if base == "${PYTHON}"] == ["tools"]
    assert not [last.name for last in LAST.values() if last.all("RUN")]


def test_every_engine_that_the_image_exports_has_a_stage() -> None:
    names = {stage.name for stage in DOCKERFILE.stages}

    assert {f"engine-{engine}" for engine in image.EXPORTED} | {"engine-given"} <= names
    assert set(image.EXPORTED) < set(NAMES)


def test_torch_gets_no_farther_than_its_stage() -> None:
    for stage in DOCKERFILE.stages:
        if "lambda-facenet" in str(stage.instructions):
            assert stage.name == "engine-facenet"
    assert "torch" not in (REQUIREMENTS / "lambda.txt").read_text()


def test_the_engine_lies_where_the_template_and_the_settings_look_for_it() -> None:
    function = template.load()["Resources"]["Recognize"]["Properties"]

    assert function["Environment"]["Variables"]["SIGHTLINE_MODELS"] == str(ENGINE)
    assert Settings.__dataclass_fields__["models"].default == Path(ENGINE)


# ------------------------------------------------------------------ what goes in


def context_copies() -> set[str]:
    return {
        what
        for s in DOCKERFILE.stages
        for source, names, _ in s.copies
        if not source
        for what in names
    }


def test_what_the_build_copies_is_there_and_let_through() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    let_through = [line[1:] for line in lines if line.startswith("!")]

    assert lines[[bool(line) and line[0] != "#" for line in lines].index(True)] == "*"
    for name in context_copies():
        assert (PROJECT / name).exists()
        assert any(
            fnmatch(name, pattern) or name.startswith(f"{pattern}/") for pattern in let_through
        ), name


@pytest.mark.parametrize("kept_back", ["**/*.pem", "**/*.key", "**/.*", "**/__pycache__"])
def test_no_key_and_nothing_hidden_reaches_the_builder(kept_back: str) -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()

    last_let_through = max(i for i, line in enumerate(lines) if line.startswith("!"))
    assert lines.index(kept_back) > last_let_through


def test_the_digests_are_of_all_that_the_build_copies() -> None:
    sources = {
        path.relative_to(PROJECT).as_posix() for kind in KINDS for path in image.sources(kind=kind)
    }

    for name in context_copies():
        assert name in sources or any(source.startswith(f"{name}/") for source in sources), name
    assert "infra/lambda.Dockerfile" in sources


@pytest.mark.parametrize("kind", KINDS)
def test_the_digest_of_an_image_is_of_what_its_own_stages_copy(kind: Kind) -> None:
    sources = {path.relative_to(PROJECT).as_posix() for path in image.sources(kind=kind)}
    others = {path.relative_to(PROJECT).as_posix() for path in image.sources()} - sources
    stages = {source for source, _, _ in LAST[kind].copies if source}

    for name in (
        n for s in stages for each in lineage(s) for _, names, _ in each.copies for n in names
    ):
        assert name not in others
    if kind == "video":
        assert "requirements/lambda-video.txt" in sources
        assert "requirements/lambda.txt" not in sources


def lineage(name: str) -> list[Stage]:
    """A stage, and those that it builds on, the first one first."""
    stages = {stage.name: stage for stage in DOCKERFILE.stages}
    found: list[Stage] = []
    while name in stages:
        found.insert(0, stages[name])
        name = stages[name].base
    return found


@pytest.mark.parametrize(
    ("stage", "module"),
    [
        ("packages", "infra.imaging.tree"),
        ("video-packages", "infra.imaging.tree"),
        ("code", "infra.imaging.tree"),
        ("engine-dlib", "infra.imaging.engine"),
        ("engine-given", "infra.imaging.engine"),
    ],
)
def test_a_stage_has_copied_what_it_runs(stage: str, module: str, tmp_path: Path) -> None:
    for each in lineage(stage):
        for _, names, where in each.copies:
            for name in names:
                copy(PROJECT / name, tmp_path / where)

    assert module in lineage(stage)[-1].all("RUN")[-1]
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=tmp_path,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def copy(source: Path, to: Path) -> None:
    """As Docker does: a folder's content, but a file itself."""
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        to.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, to)


def test_every_client_of_the_functions_is_described_in_the_image() -> None:
    text = "\n".join(path.read_text() for path in (PROJECT / "cloud").rglob("*.py"))
    clients = set(re.findall(r"""client\([^()]*(?:\(\))?[^()]*?"([a-z0-9-]+)\"""", text))

    assert {"dynamodb", "iot-data", "s3"} <= clients
    assert clients <= set(image_tree.SERVICES)


@pytest.mark.parametrize(
    "name", ["lambda", "lambda-build", "lambda-engine", "lambda-facenet", "lambda-video"]
)
def test_every_requirement_is_pinned_by_hash(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    requirements = re.findall(
        r"^[\w.-]+(?:==\S+)?.*?(?=^[\w.-]|\Z)", text, re.MULTILINE | re.DOTALL
    )

    assert requirements
    assert all("==" in each and "--hash=sha256:" in each for each in requirements)
    assert "://" not in text
    assert "--index" not in text


def test_the_function_has_the_versions_that_run_on_one_machine() -> None:
    pin = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)
    local = set(pin.findall((REQUIREMENTS / "local.txt").read_text()))
    ours = pin.findall((REQUIREMENTS / "lambda.txt").read_text())
    videos = pin.findall((REQUIREMENTS / "lambda-video.txt").read_text())

    assert {name for name, _ in ours} > {"numpy", "onnxruntime", "boto3", "awslambdaric"}
    assert {name for name, _ in videos} > {"av", "numpy", "boto3", "awslambdaric", "pillow"}
    assert not {name for name, _ in videos} & {"onnxruntime", "opencv-python-headless"}
    assert "av" not in {name for name, _ in ours}
    assert set(ours) | set(videos) <= local


# ------------------------------------------------------------------ names for what is built


def test_the_same_sources_have_the_same_name_and_engines_differ() -> None:
    assert image.digest_of_sources("dlib") == image.digest_of_sources("dlib")
    assert image.digest_of_sources("dlib") != image.digest_of_sources("facenet")
    assert image.digest_of_sources("dlib", kind="video") == image.digest_of_sources(
        "facenet", kind="video"
    )
    assert image.image_tag("dlib", "arm64", kind="video").startswith("video-arm64-")
    tag = image.image_tag("dlib", "arm64")
    assert tag == f"dlib-arm64-{image.digest_of_sources('dlib')}"
    assert re.fullmatch(r"[\w.-]{1,128}", tag)


def test_another_file_of_a_given_engine_is_another_image(tmp_path: Path) -> None:
    names = set()
    for numbers in (1, 2):
        folder = tmp_path / str(numbers)
        folder.mkdir()
        network = tiny_network(160, 512) if numbers == 1 else tiny_network(160, 512) + b"\x00"
        install(folder, facenet.CARD, network, "facenet-1234@1")
        names.add(image.digest_of_sources("facenet", folder))

    assert len(names | {image.digest_of_sources("facenet")}) == 3


# ------------------------------------------------------------------ docker


def test_docker_that_is_there_has_no_reason(docker: Callable[[str], dict[str, str]]) -> None:
    assert image.docker_available(docker(HEALTHY)) is None


@pytest.mark.parametrize(
    ("script", "mend"),
    [
        (
            'echo "Cannot connect to the Docker daemon at unix:///x. Is it running?" >&2; exit 1',
            r"start it \(sudo systemctl start docker\): Cannot connect",
        ),
        ('echo "permission denied while trying to connect" >&2; exit 1', "usermod -aG docker"),
        ('[ "$1" = buildx ] && exit 1; echo 28', "docker-buildx-plugin"),
    ],
)
def test_docker_that_cannot_build_is_said_with_the_mend(
    docker: Callable[[str], dict[str, str]], script: str, mend: str
) -> None:
    environ = docker(script)

    reason = image.docker_available(environ)

    assert reason is not None
    assert re.search(mend, reason)
    assert "\n" not in reason
    with pytest.raises(ConfigError, match=mend):
        image.build(
            engine="dlib", architecture="arm64", tag="t", say=lambda _: None, environ=environ
        )


def test_docker_that_is_missing_is_said(tmp_path: Path) -> None:
    reason = image.docker_available({"PATH": str(tmp_path)})

    assert reason is not None
    assert "not installed" in reason
    assert "--image-uri" in reason


@pytest.mark.parametrize(
    ("architecture", "platform"), [("arm64", "linux/arm64"), ("x86_64", "linux/amd64")]
)
def test_the_build_is_asked_for_an_image_that_lambda_takes(
    docker: Callable[[str], dict[str, str]],
    architecture: image_layout.Architecture,
    platform: str,
) -> None:
    environ, said = docker(BUILDS), list[str]()

    image.build(
        engine="dlib",
        architecture=architecture,
        tag="sightline:x",
        say=said.append,
        environ=environ,
    )

    asked = Path(environ["ASKED"]).read_text().splitlines()
    assert asked[-1] == str(PROJECT)
    for option in (
        f"--platform={platform}",
        "--provenance=false",
        "--sbom=false",
        "--load",
        "--tag=sightline:x",
        "--target=functions",
        "--build-arg=ENGINE=dlib",
        "--build-arg=ENGINE_FROM=dlib",
        f"--file={image.DOCKERFILE}",
    ):
        assert option in asked
    assert "  [packages 3/4] RUN pip" in said


def test_the_video_image_is_built_without_an_engine(
    docker: Callable[[str], dict[str, str]],
) -> None:
    environ = docker(BUILDS)

    image.build(
        engine="no-such-engine",
        architecture="arm64",
        tag="t",
        say=lambda _: None,
        kind="video",
        environ=environ,
    )

    asked = Path(environ["ASKED"]).read_text().splitlines()
    assert "--target=video" in asked
    assert not [each for each in asked if "ENGINE" in each]


def test_an_engine_that_was_made_here_is_given_to_the_build(
    docker: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    environ = docker(BUILDS)
    install(tmp_path, facenet.CARD, tiny_network(160, 512), "facenet-1234@1")

    image.build(
        engine="facenet",
        architecture="arm64",
        tag="t",
        say=lambda _: None,
        engine_folder=tmp_path,
        environ=environ,
    )

    asked = Path(environ["ASKED"]).read_text().splitlines()
    assert "--build-arg=ENGINE_FROM=given" in asked
    assert f"--build-context=engines={tmp_path}" in asked


def test_an_engine_that_is_not_there_is_said_before_anything_is_built(
    docker: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    environ = docker(BUILDS)

    with pytest.raises(ModelError, match="engines quantise dlib"):
        image.build(
            engine="dlib-int8",
            architecture="arm64",
            tag="t",
            say=lambda _: None,
            engine_folder=tmp_path,
            environ=environ,
        )
    assert not Path(environ["ASKED"]).exists()


def test_a_build_that_fails_says_what_docker_said_last(
    docker: Callable[[str], dict[str, str]],
) -> None:
    script = """
case "$1 $2" in
  "buildx build") echo '#9 [packages 3/4] RUN pip'; echo '#9 1.2 ERROR: no space left'
    echo '------'; echo 'ERROR: failed to solve: exit code: 2'; exit 1 ;;
  *) echo 28.2.2 ;;
esac
"""
    with pytest.raises(ConfigError, match=r"no space left.*failed to solve: exit code: 2"):
        image.build(
            engine="dlib",
            architecture="arm64",
            tag="t",
            say=lambda _: None,
            environ=docker(script),
        )


# ------------------------------------------------------------------ the command


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        ([], "--build"),
        (["--build", "--out", "x"], "--build"),
        (["--out", "x", "--architecture", "mips"], "arm64 and x86_64"),
        (["--out", "x", "--engine", "alexnet"], "there is no engine 'alexnet'"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(
    arguments: list[str],
    mend: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(tmp_path / "x") if each == "x" else each for each in arguments]

    assert main(["image", *given]) == 2

    said = capsys.readouterr().err.strip()
    assert mend in said
    assert said.startswith("sightline: ")
    assert not (tmp_path / "x").exists()


def test_the_command_builds_and_prints_the_images_name(
    docker: Callable[[str], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in docker(BUILDS).items():
        monkeypatch.setenv(name, value)

    assert main(["image", "--build"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"sightline:{image.image_tag('dlib', 'arm64', kind=kind)}" for kind in KINDS
    ]


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").touch()

    assert main(["image", "--out", str(tmp_path)]) == 2

    assert "is not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_both_of_lambdas_architectures_can_be_built_for() -> None:
    allowed = template.load()["Parameters"]["Architecture"]["AllowedValues"]

    assert tuple(allowed) == ARCHITECTURES
