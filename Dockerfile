FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/simplecqrs ./cmd/simplecqrs
# A new volume takes its owner from the directory that it is mounted on.
RUN mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/simplecqrs /
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
EXPOSE 8080
# For serve. Ready means caught up, which a table that is read anew takes its time for.
HEALTHCHECK --interval=10s --timeout=6s --start-period=2m --start-interval=1s --retries=3 \
    CMD ["/simplecqrs", "healthcheck"]
ENTRYPOINT ["/simplecqrs"]
CMD ["-h"]
