# Starts controllers and replicas, keeps the registry, carries the command `keelson`.
# The context is made by `npm run images` (build/images); the classic builder and BuildKit both take
# this file. All stages before `program` are the same in the three files: their layers are shared.
ARG BASE_IMAGE=node:26-bookworm-slim

# From the base: Node.js and the libraries that it and the addons load, and nothing else.
FROM ${BASE_IMAGE} AS runtime
ARG TARGETARCH
COPY native/${TARGETARCH}/ /addons/
COPY collect-runtime.ts /
RUN ["node", "--disable-warning=ExperimentalWarning", "/collect-runtime.ts", "/runtime", "/addons"]

FROM scratch AS system
ARG TARGETARCH
COPY --from=runtime /runtime/ /
COPY LICENSES /usr/share/doc/keelson/
COPY native/${TARGETARCH}/ /keelson/native/
COPY healthcheck.cjs /keelson/

FROM system AS program
COPY orchestrator.cjs keelson.mjs /keelson/
COPY links/ /

# The compile cache belongs to the user that made it (its id is in the name): on Docker root, as only
# root may open the engine's socket wherever it is (docs/adr/0021-images.md), on Kubernetes nobody. What a
# platform needs is loaded when it is asked for: here it finds no directory, and no cluster.
FROM program AS cache
COPY fill-compile-cache.ts /
ENV NODE_COMPILE_CACHE=/tmp/root
RUN ["/usr/local/bin/node", "/fill-compile-cache.ts", "/keelson/orchestrator.cjs --platform docker --data /dev/null/none", "/keelson/keelson.mjs"]
USER 65532:65532
ENV NODE_COMPILE_CACHE=/tmp/nobody POD_NAMESPACE=none POD_NAME=none
RUN ["/usr/local/bin/node", "/fill-compile-cache.ts", "/keelson/orchestrator.cjs --platform kubernetes", "/keelson/keelson.mjs"]

FROM program
COPY --from=cache /tmp/root/ /keelson/cache/
COPY --from=cache /tmp/nobody/ /keelson/cache/
ENV NODE_COMPILE_CACHE=/keelson/cache KEELSON_HEALTH_ADDRESS=127.0.0.1:5705 \
    KEELSON_PLATFORM=docker KEELSON_DATA=/var/lib/keelson
EXPOSE 5705
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --retries=3 CMD ["/usr/local/bin/node", "/keelson/healthcheck.cjs"]
ENTRYPOINT ["/usr/local/bin/node", "--disable-warning=ExperimentalWarning", "/keelson/orchestrator.cjs"]
ARG VERSION
ARG REVISION
ARG SOURCE
LABEL org.opencontainers.image.title="Keelson orchestrator" \
      org.opencontainers.image.description="Keeps the volumes: API, registry, controllers and replicas; carries the command keelson" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}"
