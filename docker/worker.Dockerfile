# A worker. For NVIDIA GPUs (the wheels on PyPI include CUDA; the host provides the driver):
#   docker build --file docker/worker.Dockerfile --tag clearscope-worker:cuda .
# Without GPU support, and much smaller:
#   docker build --file docker/worker.Dockerfile --tag clearscope-worker:cpu \
#       --build-arg PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu .
ARG PYTHON_IMAGE=python:3.14.7-slim-trixie

# hadolint ignore=DL3006  # the build argument contains the version
FROM ${PYTHON_IMAGE} AS build
# Read by pip, which treats a wheel marked +cpu as newer than PyPI's wheel of the same version.
ARG PIP_EXTRA_INDEX_URL=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/clearscope
WORKDIR /source
COPY pyproject.toml constraints.txt README.md ./
COPY client client
# Dependencies change rarely, so they get their own layer.
RUN /opt/clearscope/bin/pip install --constraint constraints.txt ./client '.[worker]'
COPY app app
COPY models_store models_store
COPY worker worker
RUN /opt/clearscope/bin/pip install --no-deps --force-reinstall .

# hadolint ignore=DL3006  # as above
FROM ${PYTHON_IMAGE}
# With a compiler, prediction is compiled for the machine and several times faster; without one it still works.
# hadolint ignore=DL3008  # Debian keeps only the newest build of a version
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 clearscope \
    && useradd --uid 10001 --gid clearscope --no-create-home --home-dir /var/lib/clearscope clearscope \
    && install --directory --owner clearscope --group clearscope /var/lib/clearscope /var/cache/clearscope
COPY --from=build /opt/clearscope /opt/clearscope
ENV PATH=/opt/clearscope/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CLEARSCOPE_DATA_DIR=/var/lib/clearscope \
    CLEARSCOPE_LOG_FORMAT=json \
    CLEARSCOPE_METRICS_HOST=0.0.0.0 \
    CLEARSCOPE_METRICS_PORT=9464 \
    TORCHINDUCTOR_CACHE_DIR=/var/cache/clearscope \
    TRITON_CACHE_DIR=/var/cache/clearscope/triton \
    MPLCONFIGDIR=/tmp/matplotlib
USER 10001:10001
WORKDIR /var/lib/clearscope
EXPOSE 9464
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9464/metrics', timeout=8)"]
ENTRYPOINT ["clearscope"]
CMD ["worker", "--queue", "gpu"]
