# syntax=docker/dockerfile:1
# pgcovenant in an image that holds nothing else: no shell, no package manager, no libraries.
#
#   docker build -t pgcovenant:0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .

FROM docker.io/library/rust:1.95-bookworm AS build
# The version of libclang is the base image's own; it is for building only.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libclang-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
# Linked statically against glibc, whose memory allocator suits many threads better than musl's, and which resolves names by
# hosts and DNS without loading anything. --target keeps the flag away from build scripts and procedural macros.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    target="$(uname -m)-unknown-linux-gnu" \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --release --bin pgcovenant --target "$target" \
    && install -D "target/$target/release/pgcovenant" /image/usr/local/bin/pgcovenant
RUN mkdir -p /image/etc/pgcovenant /state

# Certificates of authorities, time zones, /etc/passwd, /tmp; nothing that runs.
FROM gcr.io/distroless/static-debian12:nonroot
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pgcovenant" \
      org.opencontainers.image.description="A PostgreSQL proxy that enforces data contracts: masking, access and deprecation by column" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="gcr.io/distroless/static-debian12:nonroot"
COPY --from=build /image/ /
COPY LICENSE NOTICE /usr/share/doc/pgcovenant/
# For the record of usage and the audit: a volume that is mounted here takes over whom it belongs to.
COPY --from=build --chown=10432:10432 /state /var/lib/pgcovenant
USER 10432:10432
WORKDIR /var/lib/pgcovenant
EXPOSE 6432 9930
# Whether the process is well: one that waits for its database must not be replaced.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s \
    CMD ["/usr/local/bin/pgcovenant", "health", "--url", "http://127.0.0.1:9930/healthz"]
ENTRYPOINT ["/usr/local/bin/pgcovenant"]
CMD ["serve", "--config", "/etc/pgcovenant/pgcovenant.yaml"]
