# coderport with the Pulumi CLI: every command, as a user without rights and on a read-only root.
# docs/containers.md says how to build and run it. Both bases are pinned by the digest of their multi-platform index;
# `docker buildx imagetools inspect python:3.13-slim` prints that of today.
FROM golang:1.26.8-bookworm@sha256:a688600ca24f8a4d3ca77f95b0dd40704a9fc787c826660eb7ba0b641b8b175d AS go
FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS base
WORKDIR /opt/coderport

# The packages, by the script that sets up every checkout: only files whose hashes stand beside their pins.
FROM base AS packages
COPY requirements-build.txt requirements.txt ./
COPY scripts/setup scripts/setup
COPY coderport/transport/loopback.py coderport/transport/loopback.py
RUN scripts/setup requirements.txt

# The Pulumi CLI, built from the modules that engine/go.sum pins by hash. The caches make a second build short.
FROM packages AS cli
COPY --from=go /usr/local/go /usr/local/go
COPY . .
RUN --mount=type=cache,target=/cache/go-build --mount=type=cache,target=/root/go \
    PATH="$PATH:/usr/local/go/bin" XDG_CACHE_HOME=/cache .venv/bin/python -m coderport engine && \
    mv /cache/coderport/pulumi/*/bin/pulumi /usr/local/bin/pulumi

FROM base
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /tmp coderport && \
    install -d -o coderport -g coderport -m 0700 /data && ln -s /data .coderport
COPY --from=packages /opt/coderport/.venv .venv
COPY --from=cli /usr/local/bin/pulumi /usr/local/bin/pulumi
COPY . .
# The context has no git: the version is told, or the image is a checkout like any other (docs/containers.md).
ARG CODERPORT_VERSION=
RUN if [ -n "$CODERPORT_VERSION" ]; then printf %s "$CODERPORT_VERSION" >coderport/VERSION; fi && \
    .venv/bin/python -m compileall -q coderport
# All that is written: /tmp, which may be forgotten, and /data (by .coderport: the history, too), which has to stay.
# Pulumi wants a name for whoever runs it, also where Kubernetes chooses a user that /etc/passwd does not have.
ENV USER=coderport \
    HOME=/tmp \
    PULUMI_HOME=/tmp/pulumi \
    PULUMI_SKIP_UPDATE_CHECK=true \
    PYTHONDONTWRITEBYTECODE=1 \
    CODERPORT_SERVE_HOST=0.0.0.0 \
    CODERPORT_SERVE_DATABASE=/data/runs.sqlite \
    CODERPORT_LIVE_HOST=0.0.0.0
VOLUME /data
EXPOSE 8080 8081
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/coderport/deploy/entrypoint"]
CMD ["--help"]
