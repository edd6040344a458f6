"""The commands `sessionrec kubeflow`: compile, submit, schedule."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tfx_pipeline.command_line import USAGE_ERROR, ConfigOption, SetOption
from tfx_pipeline.config import ConfigError, load_config
from tfx_pipeline.console import quiet
from tfx_pipeline.kubeflow.errors import KubeflowError

OUTPUT = Path("output/kubeflow")

app = typer.Typer(no_args_is_help=True, help="The same pipeline on Kubeflow Pipelines v2.")
PackageArgument = Annotated[Path, typer.Argument(help="What `compile` wrote.")]
HostOption = Annotated[str, typer.Option(help="Kubeflow Pipelines' API, http:// or https://.")]
NamespaceOption = Annotated[str, typer.Option(help="Of the runs.")]
ParameterOption = Annotated[
    list[str],
    typer.Option(
        "--parameter", metavar="NAME=VALUE", help="data_path, span, epochs or serving_folder."
    ),
]
TokenOption = Annotated[
    Path | None,
    typer.Option(help="File with a bearer token; the variable SESSIONREC_KFP_TOKEN without one."),
]
AccountOption = Annotated[str | None, typer.Option(help="Service account of the containers.")]


@app.command("compile")
def compile_(
    config: ConfigOption,
    image: Annotated[str, typer.Option(help="What all containers run; see the Dockerfile.")],
    pipeline_root: Annotated[str, typer.Option(help="For artifacts: gs://, s3:// or minio://.")],
    output: Annotated[
        Path | None, typer.Option(help="YAML file; output/kubeflow/NAME.yaml if not given.")
    ] = None,
    set_: SetOption = [],  # noqa: B006
) -> None:
    """Write the pipeline as YAML that Kubeflow Pipelines v2 takes."""
    with _errors() as console:
        settings = load_config(config, tuple(set_))
        from tfx_pipeline.kubeflow.compiler import compile_pipeline

        text = compile_pipeline(settings, image, pipeline_root)
        path = output or OUTPUT / f"{settings.pipeline.name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        console.print(f"pipeline: {path}")


@app.command()
def submit(
    package: PackageArgument,
    host: HostOption,
    namespace: NamespaceOption = "kubeflow",
    parameter: ParameterOption = [],  # noqa: B006
    token_file: TokenOption = None,
    service_account: AccountOption = None,
) -> None:
    """Start one run."""
    with _errors() as console:
        from tfx_pipeline.kubeflow import client

        pipeline = client.Package(package)
        token = client.read_token(token_file)
        cluster = client.Cluster(host, namespace, token, service_account)
        run = client.submit(pipeline, cluster, pipeline.parameters(parameter))
        console.print(f"run: {run}")


@app.command()
def schedule(
    package: PackageArgument,
    host: HostOption,
    cron: Annotated[str, typer.Option(help="Six fields, seconds first, UTC: '0 30 2 * * *'.")],
    namespace: NamespaceOption = "kubeflow",
    catchup: Annotated[bool, typer.Option(help="Make up for runs that were missed.")] = False,
    parameter: ParameterOption = [],  # noqa: B006
    token_file: TokenOption = None,
    service_account: AccountOption = None,
) -> None:
    """Start a run again and again; each reads the span of its day, where the log has days."""
    with _errors() as console:
        from tfx_pipeline.kubeflow import client

        pipeline = client.Package(package)
        token = client.read_token(token_file)
        cluster = client.Cluster(host, namespace, token, service_account)
        given = pipeline.parameters(parameter)
        recurring = client.schedule(pipeline, cluster, given, cron, catchup)
        console.print(f"recurring run: {recurring}")


@contextmanager
def _errors() -> Iterator[Console]:
    """Print an error of the user's as one line; libraries print nothing."""
    with quiet(Path(os.devnull)) as console:
        try:
            yield console
        except ConfigError as error:
            console.fail(str(error), USAGE_ERROR)
        except (KubeflowError, OSError) as error:
            console.fail(str(error))
