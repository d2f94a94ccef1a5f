# pgcovenant in a small image: built in one stage, run in another without compiler or shell history.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libclang-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin pgcovenant && cp target/release/pgcovenant /usr/local/bin/pgcovenant

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10432 --create-home --home-dir /var/lib/pgcovenant pgcovenant
COPY --from=build /usr/local/bin/pgcovenant /usr/local/bin/pgcovenant
USER pgcovenant
WORKDIR /var/lib/pgcovenant
EXPOSE 6432 9930
# Whether the process is well: one that waits for its database must not be replaced.
HEALTHCHECK --interval=5s --timeout=2s --start-period=30s CMD curl -fsS http://127.0.0.1:9930/healthz || exit 1
ENTRYPOINT ["pgcovenant"]
CMD ["serve", "--config", "/etc/pgcovenant/pgcovenant.yaml"]
