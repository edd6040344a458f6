# Not built where this project is developed, which has no container engine: the first build checks it.
# scripts/try_dockerfile.py does its steps in a folder.
#
# The image that Kubeflow Pipelines runs every component in; Kubeflow gives each its own command.
#   docker build -t sessionrec .
ARG BASE=python:3.11.14-slim-trixie

FROM ${BASE} AS packages
WORKDIR /build
COPY requirements.txt pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir "$(grep -m 1 '^uv==' requirements.txt)" \
    && python -m venv --without-pip /opt/sessionrec \
    && uv pip install --no-cache --compile-bytecode --python /opt/sessionrec/bin/python \
       --requirement pyproject.toml --constraint requirements.txt
COPY components components
COPY model model
COPY tfx_pipeline tfx_pipeline
COPY serving serving
COPY benchmarks benchmarks
RUN uv pip install --no-cache --compile-bytecode --no-deps --python /opt/sessionrec/bin/python .

FROM ${BASE}
LABEL org.opencontainers.image.title="sessionrec" \
      org.opencontainers.image.description="Next-session recommendation as a TFX pipeline" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN pip uninstall --yes setuptools wheel pip \
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
