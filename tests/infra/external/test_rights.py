"""What is missing on a cluster, listed in one go: over a pretended AdminClient of librdkafka's."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin._acl import AclOperation
from fakes.clock import FakeClock

from infra.external import rights
from infra.external.rights import Examiner, Missing, WantedTopic, require_all
from trending.errors import AccessRefused, ConfigurationConflict
from trending.kafka.connection import KafkaConnection

TWEETS = WantedTopic("tweets", 2, 3, {"message.timestamp.type": "LogAppendTime"})
ALL = list(AclOperation)
ACLS = "kafka-acls --bootstrap-server k:9093 --command-config admin.properties --add --allow-principal User:lab"


def refused(code: int, words: str = "no") -> KafkaException:
    return KafkaException(KafkaError(code, words))


class FakeAdmin:
    """Answers each kind of question with what the test put in: a value, an error, or one after the other."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def _answer(self, question: str, name: Any) -> dict[Any, Future[Any]]:
        self.asked.append(question)
        answer = self.answers[question]
        if isinstance(answer, list):
            answer = answer.pop(0)
        future: Future[Any] = Future()
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return {name: future}

    def describe_topics(self, topics: Any, **settings: Any) -> dict[Any, Future[Any]]:
        assert settings["include_authorized_operations"]
        return self._answer("topic", topics.topic_names[0])

    def create_topics(self, topics: list[Any], **settings: Any) -> dict[Any, Future[Any]]:
        assert settings["validate_only"]
        return self._answer("create", topics[0].topic)

    def describe_configs(self, resources: list[Any], **_: Any) -> dict[Any, Future[Any]]:
        return self._answer("configs", resources[0])

    def describe_consumer_groups(self, names: list[str], **settings: Any) -> dict[Any, Future[Any]]:
        assert settings["include_authorized_operations"]
        return self._answer("group", names[0])


def examiner(**answers: Any) -> tuple[Examiner, FakeAdmin]:
    admin = FakeAdmin(**answers)
    return Examiner(admin, KafkaConnection("k:9093"), "User:lab"), admin  # type: ignore[arg-type]


def topic(*allowed: AclOperation) -> Any:
    return SimpleNamespace(authorized_operations=list(allowed))


def configs(time: str) -> dict[str, Any]:
    return {"message.timestamp.type": SimpleNamespace(value=time)}


def test_nothing_is_missing() -> None:
    one, _ = examiner(topic=topic(*ALL), configs=configs("LogAppendTime"), group=topic(*ALL))
    assert one.topic(TWEETS) == []
    assert one.group("lab-stream", [AclOperation.READ]) == []
    require_all([], "User:lab")


def test_a_right_that_is_missing_comes_with_its_command() -> None:
    one, admin = examiner(topic=topic(AclOperation.DESCRIBE, AclOperation.READ))
    assert one.topic(TWEETS) == [
        Missing("Write, DescribeConfigs on topic tweets", f"{ACLS} --operation Write --operation DescribeConfigs --topic tweets")
    ]
    assert admin.asked == ["topic"]  # its settings may not be asked for


def test_a_topic_that_is_hidden_may_be_missing_too() -> None:
    one, _ = examiner(topic=refused(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert [each.what for each in one.topic(TWEETS)] == ["Create, Describe, Read, Write, DescribeConfigs on topic tweets"]


def test_a_topic_of_other_settings_is_a_fact_and_no_right() -> None:
    one, _ = examiner(topic=topic(*ALL), configs=configs("CreateTime"))
    (found,) = one.topic(TWEETS)
    assert not found.right
    assert found.what == "topic tweets has message.timestamp.type=CreateTime"
    assert found.command.endswith("--alter --topic tweets --add-config message.timestamp.type=LogAppendTime")


@pytest.mark.parametrize(
    ("answer", "what", "right"),
    [
        (refused(KafkaError.TOPIC_AUTHORIZATION_FAILED), "Create, Describe, Read, Write, DescribeConfigs on topic tweets", True),
        (
            refused(KafkaError.CLUSTER_AUTHORIZATION_FAILED),
            "Create, Describe, Read, Write, DescribeConfigs on topic tweets",
            True,
        ),
        (
            refused(KafkaError.INVALID_REPLICATION_FACTOR, "1 broker"),
            "topic tweets cannot be made: INVALID_REPLICATION_FACTOR: 1 broker",
            False,
        ),
    ],
)
def test_a_topic_that_cannot_be_made_is_told_before_it_is_tried(answer: KafkaException, what: str, right: bool) -> None:  # noqa: FBT001
    one, _ = examiner(topic=refused(KafkaError.UNKNOWN_TOPIC_OR_PART), create=answer)
    (found,) = one.topic(TWEETS)
    assert (found.what, found.right) == (what, right)
    assert "tweets" in found.command


def test_a_topic_that_can_be_made_is_fine() -> None:
    one, admin = examiner(topic=refused(KafkaError.UNKNOWN_TOPIC_OR_PART), create=None)
    assert one.topic(TWEETS) == []
    assert admin.asked == ["topic", "create"]


def test_a_group_that_is_not_there_yet_is_fine_and_a_refused_one_is_not() -> None:
    needed = [AclOperation.DESCRIBE, AclOperation.READ]
    assert examiner(group=refused(KafkaError.GROUP_ID_NOT_FOUND))[0].group("g", needed) == []
    (found,) = examiner(group=refused(KafkaError.GROUP_AUTHORIZATION_FAILED))[0].group("g", needed)
    assert found == Missing("Describe, Read on group g", f"{ACLS} --operation Describe --operation Read --group g")
    (found,) = examiner(group=topic(AclOperation.DESCRIBE))[0].group("g", needed)
    assert found.what == "Read on group g"


def test_a_coordinator_that_is_still_being_made_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(rights.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(rights.time, "sleep", clock.sleep)
    answers = [refused(KafkaError.COORDINATOR_NOT_AVAILABLE), refused(KafkaError.NOT_COORDINATOR), topic(*ALL)]
    one, admin = examiner(group=answers)
    assert one.group("g", [AclOperation.READ]) == []
    assert admin.asked == ["group"] * 3
    never, _ = examiner(group=refused(KafkaError.NOT_COORDINATOR))
    with pytest.raises(KafkaException):
        never.group("g", [AclOperation.READ])
    assert clock.monotonic() <= 1000.0 + rights.ANSWER_SECONDS + 1.0


@pytest.mark.parametrize("question", ["topic", "create", "group"])
def test_what_is_no_answer_to_the_question_goes_on(question: str) -> None:
    answers = {"topic": refused(KafkaError.UNKNOWN_TOPIC_OR_PART), "create": None, "group": None, question: TimeoutError()}
    one, _ = examiner(**answers)
    with pytest.raises(TimeoutError):
        one.group("g", [AclOperation.READ]) if question == "group" else one.topic(TWEETS)
    answers[question] = refused(KafkaError._TIMED_OUT)
    one, _ = examiner(**answers)
    if question == "create":
        assert not one.topic(TWEETS)[0].right
    else:
        with pytest.raises(KafkaException):
            one.group("g", [AclOperation.READ]) if question == "group" else one.topic(TWEETS)


class FakeProducer:
    answer: KafkaException | None = None

    def __init__(self, settings: dict[str, Any], **_: Any) -> None:
        assert settings["transactional.id"] == "tweets.dlq-letters"

    def init_transactions(self, _timeout: float) -> None:
        if self.answer is not None:
            raise self.answer


def test_a_transactional_id_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "Producer", FakeProducer)
    one, _ = examiner()
    assert one.transactions("tweets.dlq-letters") == []
    FakeProducer.answer = refused(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    (found,) = one.transactions("tweets.dlq-letters")
    assert found.what == "Describe, Write on transactional-id tweets.dlq-letters"
    FakeProducer.answer = refused(KafkaError._TIMED_OUT)
    with pytest.raises(KafkaException):
        one.transactions("tweets.dlq-letters")


def test_everything_is_listed_in_one_error() -> None:
    right, fact = Missing("Read on topic a", "grant it"), Missing("topic b is compacted", "alter it", right=False)
    with pytest.raises(AccessRefused) as caught:
        require_all([right, fact], "User:lab")
    assert caught.value.cause == "User:lab lacks rights on the cluster"
    assert caught.value.evidence == "Read on topic a; topic b is compacted"
    assert "grant it\n" in caught.value.next_command
    assert "alter it" in caught.value.next_command
    with pytest.raises(ConfigurationConflict, match="not as counting needs them"):
        require_all([fact], "User:lab")
