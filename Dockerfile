# The sidecar's image: `outrider serve` on /data, as a user without rights, on a root that may be read-only. Built from
# Debian's packages alone; a proxy or a mirror for them is the builder's affair, not this file's.
#
#   docker build -t outrider .                          (--build-arg TESTS=yes: its tests run in the build)
#   docker run --read-only --cap-drop ALL -v outrider:/data outrider
#
# Settings are variables, or a file mounted over /etc/outrider/outrider.toml (tools/deploy/README.md): the health check,
# which is a command of its own, then knows them too. Nothing here needs a shell to run.

FROM debian:bookworm-slim AS build
ENV DEBIAN_FRONTEND=noninteractive
WORKDIR /src
COPY tools/packages/build tools/packages/build
RUN apt-get update \
  && grep -v '^#' tools/packages/build | cut -d' ' -f1 | xargs apt-get install -y --no-install-recommends
COPY . .
ARG TESTS=no
RUN case "$TESTS" in yes) ./tools/test -LE 'heavy|setup' ;; no) ;; *) echo "TESTS is yes or no" >&2; exit 1 ;; esac
# A builder that mounts a cache at this place compiles what changed.
ENV CCACHE_DIR=/var/cache/ccache
RUN cmake --preset release \
  && ninja -C build/release outrider_cli \
  && install -D -s build/release/outrider /out/usr/local/bin/outrider \
  && install -D -m 0644 LICENSE /out/usr/share/doc/outrider/LICENSE

FROM debian:bookworm-slim
COPY tools/packages/runtime /tmp/runtime
RUN apt-get update \
  && grep -v '^#' /tmp/runtime | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
  && rm -rf /tmp/runtime /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log \
  && useradd --system --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin outrider \
  && install -d -o outrider -g outrider -m 0700 /data \
  && install -d -o outrider -g outrider -m 0750 /run/outrider
COPY --from=build /out /
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Outrider" \
  org.opencontainers.image.description="Outbound webhooks: a durable outbox, signed, retried, delivered" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION" \
  org.opencontainers.image.base.name="debian:bookworm-slim"
COPY tools/deploy/container.toml /etc/outrider/outrider.toml
ENV OUTRIDER_CONFIG=/etc/outrider/outrider.toml
VOLUME /data
WORKDIR /data
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/outrider", "health"]
ENTRYPOINT ["/usr/local/bin/outrider"]
CMD ["serve"]
