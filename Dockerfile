# syntax=docker/dockerfile:1

# Debian's release is that of the image below: the binary is linked with its glibc.
FROM rust:1.95-slim-bookworm AS chef
RUN cargo install --locked cargo-chef@0.1.78
WORKDIR /stockroom

FROM chef AS recipe
COPY . .
RUN cargo chef prepare

FROM chef AS build
# Cargo features of the binary. None is the production image; `sandbox` adds the fake Amazon.
ARG FEATURES=""
# The dependencies are a layer of their own, built again only when Cargo.toml or Cargo.lock says so.
COPY --from=recipe /stockroom/recipe.json .
RUN cargo chef cook --locked --release --no-default-features --features "$FEATURES"
COPY . .
RUN cargo build --locked --release --no-default-features --features "$FEATURES" --bin stockroom

# No shell and no package manager; glibc, the certificates that calls to Amazon are checked with, and a user of no rights.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /stockroom/target/release/stockroom /usr/local/bin/stockroom
ENV STOCKROOM_LISTEN=0.0.0.0:50051
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/stockroom", "health"]
ENTRYPOINT ["/usr/local/bin/stockroom"]
CMD ["serve"]
