# The action's image: one binary, kustomize, CA roots, a shell for those who look inside.
#
# The base images are arguments, so that who builds without a registry puts in others with the same tools.
ARG BUILD_IMAGE=rust:1.95-alpine@sha256:606fd313a0f49743ee2a7bd49a0914bab7deedb12791f3a846a34a4711db7ed2
ARG KUSTOMIZE_IMAGE=golang:1.26-alpine@sha256:7a3e50096189ad57c9f9f865e7e4aa8585ed1585248513dc5cda498e2f41812c
ARG BASE_IMAGE=alpine:3.22@sha256:14358309a308569c32bdc37e2e0e9694be33a9d99e68afb0f5ff33cc1f695dce

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
# The dependencies in a layer of their own: it is built anew only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' >src/main.rs && touch src/lib.rs && cargo build --release --locked && rm -r src
COPY src src
# Their times may be older than those of the empty files above; cargo goes by time.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

# The module's bytes are checked against Go's checksum database. An image that has the program already keeps it.
FROM ${KUSTOMIZE_IMAGE} AS kustomize
ARG KUSTOMIZE_VERSION=v5.8.1
RUN test -x /usr/local/bin/kustomize || \
    CGO_ENABLED=0 GOBIN=/usr/local/bin go install -trimpath -ldflags="-s -w" "sigs.k8s.io/kustomize/kustomize/v5@${KUSTOMIZE_VERSION}"

FROM ${BASE_IMAGE}
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=kustomize /usr/local/bin/kustomize /usr/local/bin/kustomize
COPY --from=build /src/target/release/tagboat /usr/local/bin/tagboat
# No USER: the runner's files belong to root and to the runner's user, and the action writes to both.
ENTRYPOINT ["/usr/local/bin/tagboat"]
