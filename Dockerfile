# The digest is that of the index, for all architectures.
ARG PYTHON=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

# The stage that has pip and the network. Every package comes from the lock, as a wheel, checked against its hash.
FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY requirements/run.txt requirements/build.txt requirements/
RUN python3 -m venv /opt/openai-usage-exporter && \
    /opt/openai-usage-exporter/bin/pip install --no-deps --only-binary=:all: --require-hashes -r requirements/run.txt
RUN python3 -m venv /opt/build && \
    /opt/build/bin/pip install --no-deps --only-binary=:all: --require-hashes -r requirements/build.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY exporter exporter
COPY grafana grafana
COPY deploy deploy
RUN /opt/build/bin/python -m hatchling build -t wheel -d /dist && \
    /opt/openai-usage-exporter/bin/pip install --no-deps --no-index /dist/*.whl && \
    /opt/openai-usage-exporter/bin/pip uninstall --yes pip setuptools && \
    mkdir -p /state

# The image that runs: Python and the packages, without pip or a compiler.
FROM ${PYTHON}
LABEL org.opencontainers.image.title="openai-usage-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the usage and costs of OpenAI organizations" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/openai-usage-exporter /opt/openai-usage-exporter
COPY --from=build --chown=65532:65532 /state /var/lib/openai-usage-exporter
ENV PATH=/opt/openai-usage-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENAI_EXPORTER_STATE__PATH=/var/lib/openai-usage-exporter/state.db
USER 65532:65532
VOLUME ["/var/lib/openai-usage-exporter"]
EXPOSE 10180
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["/opt/openai-usage-exporter/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:10180/-/healthy', timeout=4)"]
ENTRYPOINT ["/opt/openai-usage-exporter/bin/openai-usage-exporter"]
CMD ["run"]
