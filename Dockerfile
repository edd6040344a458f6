# The image that Kubeflow Pipelines runs every component in; Kubeflow gives each its own command.
#   docker build -t sessionrec .
ARG BASE=debian:trixie-slim

FROM ${BASE} AS packages
# The compiler is for pyfarmhash, which has no wheel. Debian's stable release keeps its versions.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.txt pyproject.toml README.md LICENSE ./
# TensorFlow's headers, 430 MB, are for building ops in C++; libclang, 64 MB, which TensorFlow asks
# for, is for building TensorFlow: nothing imports it.
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install --no-cache-dir "$(grep -m 1 '^uv==' requirements.txt)" \
    && python3 -m venv --without-pip /opt/sessionrec \
    && /opt/tools/bin/uv pip install --no-cache --compile-bytecode \
       --python /opt/sessionrec/bin/python --requirement pyproject.toml \
       --constraint requirements.txt \
    && /opt/tools/bin/uv pip uninstall --python /opt/sessionrec/bin/python libclang \
    && rm -r /opt/sessionrec/lib/python3.*/site-packages/tensorflow/include
COPY components components
COPY model model
COPY tfx_pipeline tfx_pipeline
COPY serving serving
RUN /opt/tools/bin/uv pip install --no-cache --compile-bytecode --no-deps \
    --python /opt/sessionrec/bin/python .

FROM ${BASE}
LABEL org.opencontainers.image.title="sessionrec" \
      org.opencontainers.image.description="Next-session recommendation as a TFX pipeline" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && useradd --create-home --uid 1000 sessionrec
COPY --from=packages /opt/sessionrec /opt/sessionrec
WORKDIR /home/sessionrec
COPY --chown=sessionrec:sessionrec configs configs
ENV PATH="/opt/sessionrec/bin:${PATH}" \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=2 \
    TF_USE_LEGACY_KERAS=1
USER 1000
CMD ["sessionrec", "--help"]
