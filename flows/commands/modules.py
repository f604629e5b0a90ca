"""The user's commands: the module of each, and the line that a list shows for it."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """What ``python -m`` runs for a command, what it does in a line, and what is added to the arguments and the environment."""

    module: str
    summary: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


_UP = Command("flows.start_up", "bring the stack up, or what is missing of it")
COMMANDS = {
    "demo": Command("flows.demo", "start, watch, audit, tear down"),
    "rehearse": Command("flows.rehearse", "the evening before: whether start, ports, memory and screen hold, offline"),
    "present": Command("flows.commands.present", "up, the page for a projector, and three things to say"),
    "up": _UP,
    "start": _UP,
    "stop": Command("flows.tear_down", "stop everything, keep everything", environment=(("TRENDING_STOP_ONLY", "true"),)),
    "down": Command("flows.tear_down", "take the stack down; --volumes deletes its data"),
    "status": Command("infra.commands.status", "what is there, how it is doing, what is left over"),
    "logs": Command("infra.commands.logs", "last lines of a program: --service kafka"),
    "spy": Command("infra.commands.spy", "print the topic from the beginning"),
    "audit": Command("flows.audit", "prove the count"),
    "health": Command("flows.health_check", "look at every component; --heal repairs the one that is down"),
    "game-day": Command("flows.game_day", "break the running stack on purpose"),
    "tweet": Command("infra.commands.simulator.tweet", "send one by hand: --text 'hola #Clase'"),
    "verify": Command("infra.commands.simulator.verify", "whether a topic is a scenario: --scenario world-cup"),
    "replay": Command("infra.producers.replay_file", "send a file of tweets: --file tweets.csv --speed 10"),
    "replay-topic": Command("infra.producers.replay_topic", "send again what a topic holds: --from trending --name another"),
    "rate": Command("infra.commands.simulator.rate", "another rate for the producer at work: --rate 500 --for 60"),
    "trend": Command("infra.commands.simulator.trend", "a trend while it runs: --hashtag '#Gol' --for 60"),
    "truth": Command("infra.commands.simulator.truth", "what a scenario means, from its seed alone: --scenario lessons"),
    "naive": Command("flows.commands.naive", "the tutorial's own job beside ours, and what it loses"),
    "evaluate": Command("flows.commands.evaluate", "any streaming job against the truth: --job 'command' --results sqlite:…"),
    "smoke": Command("flows.smoke_test", "five messages there and back"),
    "export": Command("infra.commands.export", "write the final windows as Parquet: --to directory"),
    "client": Command("infra.commands.client", "files for Kafka's own tools and kcat, with the password if there is one"),
    "report": Command("flows.report", "HTML report and slides of a running stack, or of one brought up for it"),
    "replay-demo": Command("infra.commands.recordings.play", "play a recording of the page, without broker and Spark"),
    "record": Command("infra.commands.recordings.record", "save what the page has shown in the last minutes"),
    "rebuild": Command("infra.commands.rebuild", "count the store anew from the log, under a new checkpoint"),
    "redrive": Command("infra.commands.redrive", "send dead letters back that would be tweets today"),
    "produce": Command("flows.produce", "one more producer, here or elsewhere"),
    "observe": Command("infra.commands.observe", "files and commands for Prometheus and Grafana"),
    "serve": Command("flows.commands.serve", "Prefect server, worker, deployments, automations"),
    "serve-password": Command("infra.prefect_services.credentials", "print the password of the lab's Prefect server"),
    "serve-stop": Command("infra.prefect_services.server", "stop the Prefect server and worker", arguments=("stop",)),
    "prefect": Command("flows.commands.prefect_command", "a command of Prefect's on the lab's server: deployment ls"),
    "package": Command("infra.spark_cluster.package", "the file that a Spark cluster gets of the job"),
    "spark-cluster": Command("infra.spark_cluster.standalone", "a Spark master and two workers here, on loopback"),
    "spark-cluster-stop": Command("infra.spark_cluster.standalone", "stop that master and its workers", arguments=("stop",)),
    "prerequisites": Command("infra.lab.prerequisites", "check Python, Java, memory and disk"),
}
"""A word of ``make`` and of ``lab`` → what it runs, in the order in which ``lab --help`` lists them."""


def module_of(command: str) -> str:
    """Return the module that ``python -m`` runs for a command, by its word or by the name of its flow: ``game_day``."""
    word = command.replace("_", "-")
    return COMMANDS[word].module if word in COMMANDS else f"flows.{command}"
