"""The entry point's part around TFX's executor."""

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tfx_pipeline.kubeflow import entry


@pytest.fixture
def mounts(tmp_path, monkeypatch):
    monkeypatch.setattr(entry, "MOUNTS", str(tmp_path))
    return tmp_path


def executor_input(uri, kind=None):
    artifact = {"name": "1", "uri": uri, **({"type": {"schemaTitle": kind}} if kind else {})}
    artifacts = {"model": {"artifacts": [artifact]}}
    content = {"inputs": {"artifacts": artifacts}, "outputs": {"artifacts": artifacts}}
    return json_format.ParseDict(content, pipeline_spec_pb2.ExecutorInput())


DEFINITIONS = json_format.ParseDict(
    {"artifacts": {"model": {"artifactType": {"instanceSchema": "title: tfx.Model"}}}},
    pipeline_spec_pb2.ComponentInputsSpec(),
)


@pytest.mark.parametrize("uri", ["s3://bucket/a/b", "minio://mlpipeline/v2/model"])
def test_a_uri_is_the_launchers_folder_and_back(mounts, uri):
    folder = entry.to_folder(uri)
    assert folder == f"{mounts}/{uri.replace('://', '/')}"
    assert entry.to_uri(folder) == uri


@pytest.mark.parametrize("uri", ["gs://bucket/a", "/data/models", "hdfs://host/a"])
def test_other_uris_stay(mounts, uri):
    assert entry.to_folder(uri) == entry.to_uri(uri) == uri


def test_inputs_get_the_type_of_the_definition_and_outputs_a_folder(mounts):
    given = executor_input("s3://bucket/run/model")
    entry.localise(given, DEFINITIONS)
    [model] = given.inputs.artifacts["model"].artifacts
    assert model.type.instance_schema == "title: tfx.Model"
    assert model.uri == f"{mounts}/s3/bucket/run/model"
    assert (mounts / "s3/bucket/run/model").is_dir()


def test_a_type_that_is_given_stays_and_gs_is_left_to_tensorflow(mounts):
    given = executor_input("gs://bucket/run/model", "tfx.PushedModel")
    entry.localise(given, DEFINITIONS)
    [model] = given.inputs.artifacts["model"].artifacts
    assert (model.uri, model.type.schema_title) == ("gs://bucket/run/model", "tfx.PushedModel")
    assert list(mounts.iterdir()) == []
