"""The recipes in deploy/: of the operators' published forms, of one piece, and without a secret. Nothing here runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.clusters.published_forms import FORMS
from jsonschema import Draft202012Validator
from prefect.server.schemas.actions import WorkPoolCreate
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from infra.host.paths import CHECKOUT
from infra.java.jars import locked
from infra.operations.stream import shown_group
from infra.spark_cluster.package import LOGGING, python_version
from trending.access.settings import PROBE_TOPIC
from trending.kafka.log_reader import READER_GROUP
from trending.kafka.transactions import letters_id, redrive_id
from trending.programs.specifications import StreamSpec

DEPLOY = CHECKOUT / "deploy"
MANIFESTS = sorted(DEPLOY.rglob("*.yaml"))
OPERATIONS = {"Read", "Write", "Create", "Describe", "DescribeConfigs"}
"""Of Strimzi's, those that the lab has a use for: neither Delete nor Alter, and never All."""


def documents(kind: str) -> list[dict[str, Any]]:
    found = [each for path in MANIFESTS for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    return [each for each in found if each["kind"] == kind]


def test_every_recipe_says_that_it_was_not_run() -> None:
    for path in [*MANIFESTS, *(DEPLOY / "kubernetes" / name for name in ("Dockerfile", "spark.properties"))]:
        assert re.search(r"Not (run|built) where it was written", path.read_text(encoding="utf-8")), path
    assert "None of these has been run here" in (DEPLOY / "README.md").read_text(encoding="utf-8")


def test_every_document_is_of_a_known_kind_and_has_a_name() -> None:
    found = [each for path in MANIFESTS for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    assert {each["kind"] for each in found} == {"PersistentVolumeClaim", "Service", *FORMS}
    assert all(each["metadata"]["name"] for each in found)


@pytest.mark.parametrize("kind", FORMS)
def test_what_operators_get_is_of_the_form_that_they_publish(kind: str) -> None:
    for each in documents(kind):
        assert [error.message for error in Draft202012Validator(FORMS[kind]).iter_errors(each)] == []


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "a field that is none": ("SparkApplication", {"restartPolicy": {"typ": "Always"}}),
    "a word that is none": ("SparkApplication", {"mode": "in-cluster"}),
    "a number as text": ("KafkaTopic", {"partitions": "4"}),
    "an operation in the singular": ("KafkaUser", {"authorization": {"type": "simple", "acls": [{"operation": "Read"}]}}),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_forms_refuse_what_an_operator_would_refuse_or_drop(case: str) -> None:
    kind, change = WRONG[case]
    document = documents(kind)[0]
    document["spec"] |= change
    assert list(Draft202012Validator(FORMS[kind]).iter_errors(document)) != []


@pytest.mark.parametrize("kind", FORMS)
def test_the_forms_are_schemas(kind: str) -> None:
    Draft202012Validator.check_schema(FORMS[kind])


def test_the_application_mounts_what_it_names_and_executors_share_the_drivers_volume() -> None:
    [application] = documents("SparkApplication")
    spec = application["spec"]
    assert {"type", "mode", "image", "mainApplicationFile", "sparkVersion", "restartPolicy", "driver", "executor"} <= set(spec)
    volumes = {each["name"] for each in spec["volumes"]}
    for role in ("driver", "executor"):
        assert {each["name"] for each in spec[role]["volumeMounts"]} <= volumes
        assert spec[role]["securityContext"]["runAsNonRoot"] is True
    claims = {each["persistentVolumeClaim"]["claimName"] for each in spec["volumes"] if "persistentVolumeClaim" in each}
    assert claims == {each["metadata"]["name"] for each in documents("PersistentVolumeClaim")}
    assert "data" in {each["name"] for each in spec["executor"]["volumeMounts"]}, "they write the state to the checkpoint"


def test_its_specification_is_one_that_the_job_takes_and_calls_the_driver_by_its_service() -> None:
    spec = StreamSpec.model_validate_json((DEPLOY / "kubernetes" / "stream.json").read_bytes())
    [service] = documents("Service")
    assert spec.settings.driver_host == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert spec.settings.elsewhere
    assert [path.name for path in spec.jars] == [jar.file_name for jar in locked("spark")]
    [application] = documents("SparkApplication")
    mounts = {each["name"]: each["mountPath"] for each in application["spec"]["driver"]["volumeMounts"]}
    assert isinstance(spec.store, Path)
    assert all(path.is_relative_to(mounts["data"]) for path in (spec.checkpoint, spec.store, spec.heartbeat))
    assert spec.access is not None
    assert spec.access.path.parent == Path(spec.settings.spark_properties or "").parent == Path(mounts["spec"])
    assert {"name": "ca", "mountPath": mounts["ca"]} in application["spec"]["executor"]["volumeMounts"], "they call Kafka too"


def test_the_jobs_properties_let_nobody_call_the_driver_and_have_no_secret() -> None:
    text = (DEPLOY / "kubernetes" / "spark.properties").read_text(encoding="utf-8")
    [application] = documents("SparkApplication")
    assert re.search(r"(?m)^spark\.authenticate true$", text)
    assert f"spark.kubernetes.container.image {application['spec']['image']}\n" in text
    assert f"spark.kubernetes.namespace {application['metadata']['namespace']}\n" in text
    assert "authenticate.secret" not in text


def test_the_image_has_the_packages_python_and_spark_and_runs_as_nobody_in_particular() -> None:
    text = (DEPLOY / "kubernetes" / "Dockerfile").read_text(encoding="utf-8")
    assert f"FROM python:{python_version()}-" in text or python_version() != "3.11"
    assert "FROM apache/spark:4.2.0-" in text
    assert text.index("USER 185") < text.index("ENTRYPOINT")
    assert LOGGING.name in text
    assert not re.search(r":latest\b", text)


def test_topics_have_the_brokers_time_and_the_user_only_the_rights_it_needs() -> None:
    topics = {each["spec"]["topicName"]: each["spec"] for each in documents("KafkaTopic")}
    assert set(topics) == {"tweets_topic", "tweets_topic.dlq"}
    assert topics["tweets_topic"]["config"]["message.timestamp.type"] == "LogAppendTime"
    [user] = documents("KafkaUser")
    assert user["spec"]["authentication"] == {"type": "scram-sha-512"}
    acls = user["spec"]["authorization"]["acls"]
    assert {operation for acl in acls for operation in acl["operations"]} <= OPERATIONS
    of_topics = {acl["resource"]["name"]: set(acl["operations"]) for acl in acls if acl["resource"]["type"] == "topic"}
    assert set(of_topics) == {*topics, PROBE_TOPIC}
    needed = {"Read", "Write", "Describe", "DescribeConfigs"}
    assert of_topics == dict.fromkeys(topics, needed) | {PROBE_TOPIC: {*needed, "Create"}}, "the others are there"
    [group] = [acl for acl in acls if acl["resource"]["type"] == "group"]
    assert set(group["operations"]) == {"Read", "Describe"}
    assert all(name.startswith(group["resource"]["name"]) for name in (shown_group("trending"), READER_GROUP))
    assert {acl["resource"]["type"] for acl in acls} == {"topic", "group", "transactionalId"}
    [transactions] = [acl["resource"] for acl in acls if acl["resource"]["type"] == "transactionalId"]
    assert letters_id("tweets_topic.dlq").startswith(transactions["name"])
    assert redrive_id("tweets_topic").startswith(transactions["name"])
    labelled = [*documents("KafkaTopic"), user]
    assert len({each["metadata"]["labels"]["strimzi.io/cluster"] for each in labelled}) == 1


def test_the_pools_template_fills_what_prefects_process_worker_asks_for() -> None:
    template = json.loads((DEPLOY / "prefect" / "process-pool.json").read_text(encoding="utf-8"))
    own = ProcessWorker.get_default_base_job_template()
    assert template["job_configuration"] == own["job_configuration"]
    assert set(template["variables"]["properties"]) == set(own["variables"]["properties"])
    values = {name: each.get("default") for name, each in template["variables"]["properties"].items()}
    WorkPoolCreate(name="trending", type="process", base_job_template=template)
    Draft202012Validator.check_schema(template["variables"])
    filled = ProcessJobConfiguration.model_validate({name: value for name, value in values.items() if value is not None})
    assert filled.command == "python -m prefect.engine"


@pytest.mark.parametrize("path", sorted(each for each in DEPLOY.rglob("*") if each.is_file()), ids=lambda path: path.name)
def test_no_recipe_holds_a_secret(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?i)(password|secret|token)\s*[:=]\s*[\"']?[A-Za-z0-9+/]{8,}", text)
    assert "PRIVATE KEY" not in text
