# The functions' containers, for arm64 and x86_64. `./run image --build` builds them:
#
#   docker buildx build --file infra/lambda.Dockerfile --platform linux/arm64 --provenance=false \
#     --sbom=false --target functions --build-arg ENGINE=dlib --tag sightline .
#
# Target `video` is the one that takes videos apart: it has a decoder, and no engine; `functions` is
# all others'.
#
# (Lambda takes neither an index of several architectures nor one with attestations.)
#
# Stages run on the builder's own processor, whatever the image is for: pip picks the other's wheels,
# and the last stages run nothing. So no emulator is needed. `infra/imaging/layout.py` says what lies
# where and a test holds the last stages against it; the stages before run what `./run image --out`
# runs without Docker.

# By digest, an index of all architectures. Several public projects record this digest for this tag.
ARG PYTHON=python:3.12.12-slim-bookworm@sha256:593bd06efe90efa80dc4eee3948be7c0fde4134606dd40d8dd8dbcade98e669c
# dlib or facenet: exported here. given: taken from --build-context engines=FOLDER, checked.
ARG ENGINE_FROM=dlib

# Both are empty unless the build is given folders of these names.
FROM scratch AS engines
FROM scratch AS weights

# ------------------------------------------------------------------------------------------------
# Stage one: the engine, with what makes it. Neither torch nor onnx goes any farther.
# ------------------------------------------------------------------------------------------------
FROM --platform=$BUILDPLATFORM ${PYTHON} AS tools
ENV PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /project
COPY requirements/lambda-build.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --require-hashes --no-deps --only-binary=:all: -r requirements/lambda-build.txt

FROM tools AS exporter
COPY requirements/lambda-engine.txt requirements/
# Without build isolation: the weights' package is there as sources alone, and what would build it
# would come unpinned.
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --require-hashes --no-deps --no-build-isolation -r requirements/lambda-engine.txt
COPY sightline sightline
COPY infra/__init__.py infra/download.py infra/
COPY infra/imaging/__init__.py infra/imaging/engine.py infra/imaging/

FROM exporter AS engine-dlib
RUN python -m infra.imaging.engine dlib /tree/opt/sightline

FROM exporter AS engine-facenet
COPY requirements/lambda-facenet.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --require-hashes --no-deps -r requirements/lambda-facenet.txt
COPY infra/export infra/export
# The published weights, by their SHA-256; or others: --build-context weights=FOLDER
RUN --mount=from=weights,target=/weights \
    python -m infra.imaging.engine facenet /tree/opt/sightline --weights /weights

# One that was made before, as the 8-bit forms are, on your own photos.
FROM exporter AS engine-given
ARG ENGINE=dlib
RUN --mount=from=engines,target=/engines \
    python -m infra.imaging.engine "$ENGINE" /tree/opt/sightline --from /engines

FROM engine-${ENGINE_FROM} AS engine

# ------------------------------------------------------------------------------------------------
# Stage two: packages and code, each by itself, so that new code leaves the packages' layer as it is.
# ------------------------------------------------------------------------------------------------
FROM tools AS packages
ARG TARGETARCH
COPY requirements/lambda.txt requirements/
COPY sightline/__init__.py sightline/errors.py sightline/
COPY infra/__init__.py infra/
COPY infra/imaging/__init__.py infra/imaging/layout.py infra/imaging/tree.py infra/imaging/
RUN --mount=type=cache,target=/var/cache/pip \
    python -m infra.imaging.tree packages --architecture "$TARGETARCH" /tree/opt/python

FROM tools AS video-packages
ARG TARGETARCH
COPY requirements/lambda-video.txt requirements/
COPY sightline/__init__.py sightline/errors.py sightline/
COPY infra/__init__.py infra/
COPY infra/imaging/__init__.py infra/imaging/layout.py infra/imaging/tree.py infra/imaging/
RUN --mount=type=cache,target=/var/cache/pip \
    python -m infra.imaging.tree packages --of video --architecture "$TARGETARCH" /tree/opt/python

FROM tools AS code
COPY pyproject.toml LICENSE ./
COPY infra/__init__.py infra/
COPY infra/imaging/__init__.py infra/imaging/layout.py infra/imaging/tree.py infra/imaging/
COPY sightline sightline
COPY cloud cloud
RUN python -m infra.imaging.tree code /tree/var/task

# ------------------------------------------------------------------------------------------------
# The images: no torch, no compiler, nothing that is run to make them.
# ------------------------------------------------------------------------------------------------
FROM ${PYTHON} AS video
COPY --from=video-packages /tree/opt/python /opt/python
COPY --from=code /tree/var/task /var/task
ENV PYTHONPATH=/var/task:/opt/python PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/task
USER 10001:10001
ENTRYPOINT ["python", "-m", "awslambdaric"]
CMD ["cloud.split_video.handler"]

FROM ${PYTHON} AS functions
COPY --from=packages /tree/opt/python /opt/python
COPY --from=engine /tree/opt/sightline /opt/sightline
COPY --from=code /tree/var/task /var/task
ENV PYTHONPATH=/var/task:/opt/python PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/task
USER 10001:10001
ENTRYPOINT ["python", "-m", "awslambdaric"]
CMD ["cloud.recognize.handler"]
