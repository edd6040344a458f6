"""The Evaluator as a component: the first model is blessed, a worse one after it is not."""

import pytest
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts

from components.evaluation.evaluator import Evaluator
from components.ingestion import SCHEMA
from tfx_pipeline.evaluate_config import EvaluateConfig
from tfx_pipeline.evaluation import eval_config


def imported(name, uri, artifact_type, **properties):
    importer = Importer(source_uri=str(uri), artifact_type=artifact_type, properties=properties)
    return importer.with_id(name)


@pytest.mark.slow
def test_blessing_over_two_models(tmp_path, examples_uri, good_model, bad_model):
    model_type = standard_artifacts.Model
    (tmp_path / "nothing").mkdir()
    examples = imported(
        "examples",
        examples_uri,
        standard_artifacts.Examples,
        split_names='["test", "refit"]',
    )
    schema = ImportSchemaGen(schema_file=str(SCHEMA))
    models = {
        "nothing": imported("nothing", tmp_path / "nothing", model_type),
        "good": imported("good", good_model, model_type),
        "bad": imported("bad", bad_model, model_type),
    }

    def evaluator(name, baseline):
        return Evaluator(
            examples=examples.outputs["result"],
            model=models[name].outputs["result"],
            baseline_model=models[baseline].outputs["result"],
            eval_config=eval_config(EvaluateConfig(cutoffs=(1, 3))),
            example_splits=["test"],
            schema=schema.outputs["schema"],
            module_path="tfx_pipeline.evaluation",
        ).with_id(f"evaluate_{name}")

    pipeline = Pipeline(
        pipeline_name="evaluation",
        pipeline_root=str(tmp_path / "root"),
        components=[
            examples,
            schema,
            *models.values(),
            evaluator("good", "nothing"),
            evaluator("bad", "good"),
        ],
        metadata_connection_config=sqlite_metadata_connection_config(str(tmp_path / "metadata.db")),
        beam_pipeline_args=["--runner=FnApiRunner"],
    )
    LocalDagRunner().run(pipeline)
    blessings = {
        path.parts[-4]: path.name for path in tmp_path.glob("root/evaluate_*/blessing/*/*")
    }
    assert blessings == {"evaluate_good": "BLESSED", "evaluate_bad": "NOT_BLESSED"}
