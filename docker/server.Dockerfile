# The server, and all commands that do not need torch: migrate, beat, keys.
#   docker build --file docker/server.Dockerfile --tag clearscope-server .
ARG PYTHON_IMAGE=python:3.14.7-slim-trixie

# hadolint ignore=DL3006  # the build argument contains the version
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/clearscope
WORKDIR /source
# Dependencies change rarely, so they get their own layer.
COPY pyproject.toml constraints.txt README.md ./
COPY client client
RUN /opt/clearscope/bin/pip install --constraint constraints.txt ./client '.[server]'
COPY app app
COPY models_store models_store
COPY worker worker
RUN /opt/clearscope/bin/pip install --no-deps --force-reinstall .

# hadolint ignore=DL3006  # as above
FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 clearscope \
    && useradd --uid 10001 --gid clearscope --no-create-home --home-dir /var/lib/clearscope clearscope \
    && install --directory --owner clearscope --group clearscope /var/lib/clearscope
COPY --from=build /opt/clearscope /opt/clearscope
ENV PATH=/opt/clearscope/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CLEARSCOPE_DATA_DIR=/var/lib/clearscope \
    CLEARSCOPE_HOST=0.0.0.0 \
    CLEARSCOPE_LOG_FORMAT=json \
    MPLCONFIGDIR=/tmp/matplotlib
USER 10001:10001
WORKDIR /var/lib/clearscope
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["clearscope"]
CMD ["serve"]
