# syntax=docker/dockerfile:1

# The same Debian release as the image below, because the binary links its glibc.
# It runs on the machine that builds, and compiles for the machine that the image is for (docker buildx --platform).
FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS chef
RUN cargo install --locked cargo-chef@0.1.78
ARG TARGETARCH
# The target of cargo, and a C compiler and linker for it. Debian's own compiler has the same prefixed names.
RUN set -eu; \
    arch=${TARGETARCH:-$(dpkg --print-architecture)}; \
    case $arch in \
      amd64) target=x86_64-unknown-linux-gnu; compiler=gcc-x86-64-linux-gnu ;; \
      arm64) target=aarch64-unknown-linux-gnu; compiler=gcc-aarch64-linux-gnu ;; \
      *) echo "no build for $arch" >&2; exit 1 ;; \
    esac; \
    if [ "$arch" != "$(dpkg --print-architecture)" ]; then \
      apt-get update; apt-get install --yes --no-install-recommends "$compiler" "libc6-dev-$arch-cross"; \
      rustup target add "$target"; \
    fi; \
    echo "$target" > /target
ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
WORKDIR /stockroom

FROM chef AS recipe
COPY . .
RUN cargo chef prepare

FROM chef AS build
# Cargo features of the binary. The production image has none; `sandbox` adds the fake Amazon.
ARG FEATURES=""
# Dependencies have their own layer, which only a change of Cargo.toml or Cargo.lock rebuilds.
COPY --from=recipe /stockroom/recipe.json .
RUN cargo chef cook --locked --release --no-default-features --features "$FEATURES" --target "$(cat /target)"
COPY . .
# The commit, which `stockroom --version` and the metric `stockroom_build` state.
ARG REVISION=""
ENV STOCKROOM_COMMIT=$REVISION
RUN cargo build --locked --release --no-default-features --features "$FEATURES" --target "$(cat /target)" --bin stockroom && \
    cp "target/$(cat /target)/release/stockroom" /usr/local/bin/stockroom

# glibc, root certificates and an unprivileged user (65532); no shell and no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Stockroom" \
      org.opencontainers.image.description="A gRPC gateway in front of Amazon's product catalog" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /usr/local/bin/stockroom /usr/local/bin/stockroom
ENV STOCKROOM_LISTEN=0.0.0.0:50051
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/stockroom", "health"]
ENTRYPOINT ["/usr/local/bin/stockroom"]
CMD ["serve"]
