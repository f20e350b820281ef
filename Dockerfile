# docker build .                   a slim image with the system's encoders
# docker build --target static .   the same server from scratch: one file, its own encoders
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=0.1.0-dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/proxy ./cmd/proxy
RUN CGO_ENABLED=0 go build -tags nodynamic -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/static ./cmd/proxy
RUN mkdir /out/data

FROM scratch AS static
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/static /usr/local/bin/proxy
COPY --from=build --chown=65532:65532 /out/data /data
# Uploads wait in /data, too: nothing else is written, so the root may be read-only.
ENV FOVEA_DATA=/data
USER 65532:65532
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/proxy"]

FROM debian:bookworm-slim AS slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libwebp7 libheif1 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/proxy /usr/local/bin/proxy
COPY --from=build --chown=65532:65532 /out/data /data
ENV FOVEA_DATA=/data
USER 65532:65532
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/proxy"]
