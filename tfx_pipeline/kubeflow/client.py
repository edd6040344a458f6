"""Submit or schedule a compiled pipeline through the API of Kubeflow Pipelines."""

import contextlib
import difflib
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import kfp
import kfp_server_api
import urllib3
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tfx_pipeline.kubeflow.errors import KubeflowError

TOKEN_VARIABLE = "SESSIONREC_KFP_TOKEN"
# Kubeflow puts the time that the run was due at in its place, in UTC; Go's form of a day.
DAY_OF_RUN = "[[ScheduledTime.2006-01-02]]"
_DAYS = re.compile(r"\{(YYYY|MM|DD)")


class Cluster(NamedTuple):
    """Where Kubeflow Pipelines is, and as whom to talk to it.

    Attributes:
      host: of its API, with http:// or https://.
      namespace: of the runs.
      token: a bearer token; none if None.
      service_account: that runs the containers; the cluster's default if None.
    """

    host: str
    namespace: str = "kubeflow"
    token: str | None = None
    service_account: str | None = None


def read_token(path: Path | None) -> str | None:
    """The token in a file or, without one, in the environment's SESSIONREC_KFP_TOKEN.

    Raises:
      KubeflowError: the file cannot be read or is empty.
    """
    if path is None:
        return os.environ.get(TOKEN_VARIABLE)
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise KubeflowError(f"The token file {path} cannot be read: {error.strerror}.") from None
    if not token:
        raise KubeflowError(f"The token file {path} is empty.")
    return token


class Package:
    """A compiled pipeline.

    Attributes:
      path: of the YAML file.
      name: of the pipeline.
    """

    def __init__(self, path: Path):
        """Read it.

        Raises:
          KubeflowError: the file is missing or is no compiled pipeline.
        """
        self.path = path
        try:
            document = next(yaml.safe_load_all(path.read_text()))
            self._spec = json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
        except OSError as error:
            raise KubeflowError(f"{path} cannot be read: {error.strerror}.") from None
        except (yaml.YAMLError, json_format.ParseError, UnicodeDecodeError, StopIteration):
            raise KubeflowError(
                f"{path} is no compiled pipeline; `sessionrec kubeflow compile` writes one."
            ) from None
        self.name = self._spec.pipeline_info.name

    def parameters(self, given: list[str]) -> dict[str, str | int]:
        """The values of `given`, NAME=VALUE each.

        Raises:
          KubeflowError: of another form or type, or not a parameter of the pipeline.
        """
        known = self._spec.root.input_definitions.parameters
        values: dict[str, str | int] = {}
        for text in given:
            name, separator, value = text.partition("=")
            if not separator:
                raise KubeflowError(f"--parameter takes NAME=VALUE. Received: {text!r}")
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}."
                raise KubeflowError(f"{self.path} has no parameter {name!r}; {hint}")
            is_number = known[name].parameter_type == pipeline_spec_pb2.ParameterType.NUMBER_INTEGER
            if is_number and not value.isdecimal():
                raise KubeflowError(f"Parameter {name} is a whole number. Received: {value!r}")
            values[name] = int(value) if is_number else value
        return values

    def has_days(self, given: dict[str, str | int]) -> bool:
        """Whether the log that a run would read is one of days."""
        default = self._spec.root.input_definitions.parameters["data_path"].default_value
        return bool(_DAYS.search(str(given.get("data_path", default.string_value))))


def submit(package: Package, cluster: Cluster, parameters: dict[str, str | int]) -> str:
    """Start a run; returns its id.

    Raises:
      KubeflowError: the API cannot be reached or refuses.
    """
    with _client(cluster) as client:
        run = client.create_run_from_pipeline_package(
            str(package.path),
            arguments=parameters,
            experiment_name=package.name,
            namespace=cluster.namespace,
            service_account=cluster.service_account,
        )
        return run.run_id


def schedule(
    package: Package,
    cluster: Cluster,
    parameters: dict[str, str | int],
    cron: str,
    catchup: bool,
) -> str:
    """Start a recurring run, one run at a time; returns its id.

    Where the log is one of days and `parameters` name no span, each run reads up to the day that it
    was due at. Any other log keeps its name while it grows: there nothing comes from the cache.

    Args:
      package: the compiled pipeline.
      cluster: where.
      parameters: of every run.
      cron: six fields, the first of seconds, in UTC.
      catchup: whether runs that were missed are made up for.

    Raises:
      KubeflowError: the API cannot be reached or refuses.
    """
    if package.has_days(parameters):
        parameters = {"span": DAY_OF_RUN, **parameters}
    with _client(cluster) as client:
        experiment = client.create_experiment(package.name, namespace=cluster.namespace)
        recurring = client.create_recurring_run(
            experiment.experiment_id,
            package.name,
            cron_expression=cron,
            max_concurrency=1,
            no_catchup=not catchup,
            params=parameters,
            pipeline_package_path=str(package.path),
            enable_caching=None if "span" in parameters else False,
            service_account=cluster.service_account,
        )
        return recurring.recurring_run_id


@contextlib.contextmanager
def _client(cluster: Cluster) -> Iterator[kfp.Client]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield kfp.Client(
                host=cluster.host, namespace=cluster.namespace, existing_token=cluster.token
            )
    except kfp_server_api.ApiException as error:
        raise KubeflowError(
            f"{cluster.host} answered {error.status} {error.reason}: {error.body}"
        ) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise KubeflowError(f"{cluster.host} cannot be reached: {error}") from None
