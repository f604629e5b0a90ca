"""The forms of the operators' resources that deploy/ uses: as JSON schemas, closed, so that a misspelled field is an error.

They are written from what is published, and have those of its fields that the recipes use, with their types, bounds and names:

- SparkApplication v1beta2: ``api/v1beta2/sparkapplication_types.go`` of kubeflow/spark-operator (Apache-2.0),
  commit 07f3cecdbf9afe670d991dfbdb911334eb29930b; volumes, mounts and security contexts are those of Kubernetes' core/v1;
- KafkaTopic and KafkaUser v1: the CRDs of strimzi/strimzi-kafka-operator (Apache-2.0) below ``install/cluster-operator``, the
  topic's of commit 0a12448677cdfa0fe18487d52150120c40225dca. Strimzi 1.0 and newer know no other version than v1. The user's v1
  is v1beta2 (commit 54bd399f6c79ad201e0e3b03131dd6a5a1137112) without an ACL's ``operation``, as the notes on 0.49 have it.
"""

from __future__ import annotations

from typing import Any

Form = dict[str, Any]
TEXT: Form = {"type": "string"}
FLAG: Form = {"type": "boolean"}
TEXTS: Form = {"type": "array", "items": TEXT}
OPERATIONS = (
    "Read",
    "Write",
    "Create",
    "Delete",
    "Alter",
    "Describe",
    "ClusterAction",
    "AlterConfigs",
    "DescribeConfigs",
    "IdempotentWrite",
    "All",
)


def one_of(*values: str) -> Form:
    return {"type": "string", "enum": list(values)}


def number(minimum: int, maximum: int | None = None) -> Form:
    bounds = {"minimum": minimum} if maximum is None else {"minimum": minimum, "maximum": maximum}
    return {"type": "integer", **bounds}


def several(form: Form) -> Form:
    return {"type": "array", "items": form}


def record(required: str = "", /, **fields: Form) -> Form:
    return {"type": "object", "properties": fields, "required": required.split(), "additionalProperties": False}


def resource(version: str, kind: str, spec: Form) -> Form:
    labels = {"type": "object", "additionalProperties": TEXT}
    metadata = record("name", name=TEXT, namespace=TEXT, labels=labels)
    return record(
        "apiVersion kind metadata spec", apiVersion={"const": version}, kind={"const": kind}, metadata=metadata, spec=spec
    )


_SOURCE = record(configMap=record("name", name=TEXT), secret=record("name", name=TEXT))
_VOLUME = record(
    "name",
    name=TEXT,
    persistentVolumeClaim=record("claimName", claimName=TEXT, readOnly=FLAG),
    projected=record(defaultMode=number(0, 0o777), sources=several(_SOURCE)),
)
_POD: dict[str, Form] = {
    "cores": number(1),
    "memory": TEXT,
    "serviceAccount": TEXT,
    "podSecurityContext": record(runAsNonRoot=FLAG, runAsUser=number(0), fsGroup=number(0)),
    "securityContext": record(
        runAsNonRoot=FLAG,
        runAsUser=number(0),
        allowPrivilegeEscalation=FLAG,
        readOnlyRootFilesystem=FLAG,
        capabilities=record(add=TEXTS, drop=TEXTS),
    ),
    "volumeMounts": several(record("name mountPath", name=TEXT, mountPath=TEXT, readOnly=FLAG)),
}
_RESTARTS = record(
    type=one_of("Never", "Always", "OnFailure"),
    onSubmissionFailureRetries=number(0),
    onFailureRetries=number(0),
    onSubmissionFailureRetryInterval=number(1),
    onFailureRetryInterval=number(1),
)
_APPLICATION = record(
    "type sparkVersion mainApplicationFile driver executor",
    type=one_of("Java", "Python", "Scala", "R"),
    sparkVersion=TEXT,
    mode=one_of("cluster", "client"),
    image=TEXT,
    imagePullPolicy=TEXT,
    mainApplicationFile=TEXT,
    arguments=TEXTS,
    pythonVersion=one_of("2", "3"),
    restartPolicy=_RESTARTS,
    volumes=several(_VOLUME),
    driver=record(**_POD),
    executor=record(instances=number(1), **_POD),
)
_TOPIC = record(topicName=TEXT, partitions=number(1), replicas=number(1, 32767), config={"type": "object"})
_ACL = record(
    "resource",
    type=one_of("allow", "deny"),
    host=TEXT,
    operations=several(one_of(*OPERATIONS)),
    resource=record(
        "type", type=one_of("topic", "group", "cluster", "transactionalId"), name=TEXT, patternType=one_of("literal", "prefix")
    ),
)
_USER = record(
    authentication=record("type", type=one_of("tls", "tls-external", "scram-sha-512")),
    authorization=record("acls type", type=one_of("simple"), acls=several(_ACL)),
)
FORMS: dict[str, Form] = {
    "SparkApplication": resource("sparkoperator.k8s.io/v1beta2", "SparkApplication", _APPLICATION),
    "KafkaTopic": resource("kafka.strimzi.io/v1", "KafkaTopic", _TOPIC),
    "KafkaUser": resource("kafka.strimzi.io/v1", "KafkaUser", _USER),
}
