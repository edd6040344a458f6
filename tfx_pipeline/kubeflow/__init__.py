"""The pipeline on Kubeflow Pipelines v2: compile, what containers run, submit and schedule."""
