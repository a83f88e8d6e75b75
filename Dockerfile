# syntax=docker/dockerfile:1

# The same Debian release as the image below, because the binary links its glibc.
FROM rust:1.95-slim-bookworm AS chef
RUN cargo install --locked cargo-chef@0.1.78
WORKDIR /stockroom

FROM chef AS recipe
COPY . .
RUN cargo chef prepare

FROM chef AS build
# Cargo features of the binary. The production image has none; `sandbox` adds the fake Amazon.
ARG FEATURES=""
# Dependencies have their own layer, which only a change of Cargo.toml or Cargo.lock rebuilds.
COPY --from=recipe /stockroom/recipe.json .
RUN cargo chef cook --locked --release --no-default-features --features "$FEATURES"
COPY . .
RUN cargo build --locked --release --no-default-features --features "$FEATURES" --bin stockroom

# glibc, root certificates and an unprivileged user (65532); no shell and no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Stockroom" \
      org.opencontainers.image.description="A gRPC gateway in front of Amazon's product catalog" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /stockroom/target/release/stockroom /usr/local/bin/stockroom
ENV STOCKROOM_LISTEN=0.0.0.0:50051
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/stockroom", "health"]
ENTRYPOINT ["/usr/local/bin/stockroom"]
CMD ["serve"]
