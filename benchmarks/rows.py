"""The rows of PERFORMANCE.md in groups: a group's participants take turns, and what they share runs for no other group."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.bare_parts import BareParts
from benchmarks.clusters.own_cluster import OwnCluster
from benchmarks.clusters.workers import EXECUTORS_CPU, on_workers
from benchmarks.contest import Limit, Row
from benchmarks.manual_procedure import ManualProcedure
from benchmarks.our_start_up import OurStartUp, OurStartUpInDocker
from benchmarks.prefect_costs import BareProbes, DefaultWorker, HealthCheck, OurWorker
from benchmarks.running.commands import BARE, Import, Status
from benchmarks.running.idle import CPU, CPU_LIMIT_SECONDS, DefaultJvms, IdleStack
from benchmarks.running.latency import DEFAULT_TRIGGER, SHORTEST_TRIGGER, Latency
from benchmarks.throughput.audits import Audit, CountedLog, NoopFromStart
from benchmarks.throughput.broker import PARTITIONS, Broker
from benchmarks.throughput.counting import MEMORY, Driver, Work
from benchmarks.throughput.other_streams import Pathway, PlainConsumer, QuixStreams
from benchmarks.throughput.producing import ConstantBytes, KafkaPythonLoop, OurProducer, PerfTest
from benchmarks.throughput.simulating import KeyedScenario, Khaos, MischievousScenario, PlainScenario
from benchmarks.viewers import Unwatched, Watched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contest import Participant
    from benchmarks.sizes import Sizes

RANKING = "nothing running but the Prefect server → first complete ranking printed, s"
FLAT = 1.3
"""Row 13: by how much the time of a tweet may grow from one size to the next."""
MEMORY_GROWTH = 1.2
AUDIT_MEMORY_MB = 1024.0
STATUS_SECONDS = 0.7
SMALLEST_SHARE = 1000
FEW_HASHTAGS = 10
WORKERS = 2
"""Row 18: as many as a standalone cluster has here."""


@dataclass(frozen=True)
class Group:
    """Rows that are measured together."""

    participants: Sequence[Participant]
    rows: Sequence[Row]

    def close(self) -> None:
        """End what the participants have started, the last first; one that fails at it keeps no other one alive."""
        with ExitStack() as closing:
            for each in self.participants:
                close = getattr(each, "close", None)
                if close is not None:
                    closing.callback(close)


def groups(sizes: Sizes) -> tuple[Group, ...]:
    """Return every group, in the order in which they are measured; nothing is started yet."""
    return (
        _start_up(),
        _prefect(),
        Group(
            (Watched(), Unwatched()),
            (Row(16, "a batch, s; 50 viewers of the page against none", Watched.name, Unwatched.name, 1.1),),
        ),
        _producing(sizes),
        _simulating(sizes),
        _counting(sizes),
        _latency(sizes),
        _idle(sizes),
        _growth_by_shape(sizes),
        _growth_by_tweets(sizes),
        _audit(sizes),
        _cluster(sizes),
        _imports(),
    )


def _start_up() -> Group:
    in_docker = f"{RANKING}; containers against local processes"
    rows = (
        Row(1, RANKING, OurStartUp.name, ManualProcedure.name, 0.18),
        Row(2, RANKING, OurStartUp.name, BareParts.name, 1.15),
        Row(15, in_docker, OurStartUpInDocker.name, OurStartUp.name, 1.3),
    )
    return Group((OurStartUp(), OurStartUpInDocker(), BareParts(), ManualProcedure()), rows)


def _prefect() -> Group:
    limit = Limit(f"{STATUS_SECONDS} s", STATUS_SECONDS)
    rows = (
        Row(11, "health check, s", HealthCheck.name, BareProbes.name, 1.5),
        Row(12, "a deployment's run asked for → running, s", OurWorker.name, DefaultWorker.name, 0.3),
        Row(19, "status of a running stack, s", Status.name, limit.name, 1.0),
    )
    return Group((HealthCheck(), BareProbes(), OurWorker(), DefaultWorker(), Status(), limit), rows)


def _producing(sizes: Sizes) -> Group:
    broker = Broker()
    work = f"acknowledged tweets a second, one process, {sizes.tweets:,} tweets"
    rows = (
        Row(3, f"{work}; against kafka-python", OurProducer.name, KafkaPythonLoop.name, 40, at_most=False),
        Row(4, f"{work}; against Kafka's own tool", OurProducer.name, PerfTest.name, 2, at_most=False),
        Row(5, f"{work}; against constant bytes", OurProducer.name, ConstantBytes.name, 1, at_most=False),
    )
    kinds = (OurProducer, KafkaPythonLoop, PerfTest, ConstantBytes)
    return Group([kind(broker, sizes) for kind in kinds], rows)


def _simulating(sizes: Sizes) -> Group:
    broker = Broker()
    work = f"acknowledged tweets a second, one process, {sizes.tweets:,} tweets"
    keyed, mischief = "a scenario with skew and keys against khaos-cli", "a scenario with mischief against the plain one"
    rows = (
        Row(14, f"{work}; {keyed}", KeyedScenario.name, Khaos.name, 100, at_most=False),
        Row(14, f"{work}; {mischief}", MischievousScenario.name, PlainScenario.name, 0.5, at_most=False),
    )
    kinds = (KeyedScenario, Khaos, MischievousScenario, PlainScenario)
    return Group([kind(broker, sizes) for kind in kinds], rows)


def _counting(sizes: Sizes) -> Group:
    broker = Broker()
    driver = Driver(broker)
    limits = {"read": "a batch, the job's columns and session"}
    ours = Work(driver, "streaming job", "ranking", sizes.tweets, facts={"job": "all batches from the log's beginning, warm JVM"})
    noop = Work(driver, "Spark reads into noop", "noop", sizes.tweets, facts=limits)
    untouched = Work(driver, "to Python and back untouched", "untouched", sizes.tweets, facts=limits)
    same_session = {"session": "the lab's, with fewer shuffle partitions than Spark's default, which is faster"}
    tutorial = Work(driver, "the tutorial's job", "tutorial", sizes.tweets, facts=same_session)
    others = (PlainConsumer(broker, sizes), QuixStreams(broker, sizes), Pathway(broker, sizes))
    work = f"counted tweets a second, {sizes.tweets:,} tweets in {PARTITIONS} partitions"
    rows = (
        Row(6, f"{work}; against Spark's noop", ours.name, noop.name, 0.5, at_most=False),
        Row(6, f"{work}; against Python untouched", ours.name, untouched.name, 0.8, at_most=False),
        Row(7, f"{work}; against the tutorial's job", ours.name, tutorial.name, 2.1, at_most=False),
        Row(8, f"{work}; against a plain consumer", ours.name, PlainConsumer.name, 1, at_most=False),
        Row(8, f"{work}; against Quix Streams", ours.name, QuixStreams.name, 5, at_most=False),
        Row(8, f"{work}; against Pathway", ours.name, Pathway.name, 1, at_most=False),
    )
    return Group((ours, noop, untouched, tutorial, *others), rows)


def _latency(sizes: Sizes) -> Group:
    usual, shortest = Latency(DEFAULT_TRIGGER, sizes), Latency(SHORTEST_TRIGGER, sizes)
    limits = (
        Limit("the trigger interval + 1 s", DEFAULT_TRIGGER + 1),
        Limit("half the trigger interval + 1 s", DEFAULT_TRIGGER / 2 + 1),
        Limit("1 s", 1.0),
    )
    work = f"acknowledged → visible in the ranking at 1,000 tweets a second for {sizes.seconds} s, s"
    rows = (
        Row(9, f"{work}; p99, trigger {DEFAULT_TRIGGER:g} s", usual.name, limits[0].name, 1.0),
        Row(9, f"{work}; p50, trigger {DEFAULT_TRIGGER:g} s", usual.name, limits[1].name, 1.0, part="p50"),
        Row(9, f"{work}; p99, shortest trigger", shortest.name, limits[2].name, 1.0),
    )
    return Group((usual, shortest, *limits), rows)


def _idle(sizes: Sizes) -> Group:
    limit = Limit("15 % of a core", CPU_LIMIT_SECONDS)
    work = f"the whole stack at 1 tweet a second, {sizes.seconds} s"
    rows = (
        Row(10, f"{work}: memory, MiB", IdleStack.name, DefaultJvms.name, 0.6, part=MEMORY),
        Row(10, f"{work}: CPU, s a minute", IdleStack.name, limit.name, 1.0, part=CPU),
    )
    return Group((IdleStack(sizes), DefaultJvms(sizes), limit), rows)


def _growth_by_shape(sizes: Sizes) -> Group:
    """Row 13 by partitions and by hashtags, the same tweets otherwise."""
    driver = Driver(Broker())
    partitions = {
        number: Work(driver, f"partitions: {number}", "ranking", sizes.tweets, partitions=number, per_tweet=True)
        for number in (1, 2, 4)
    }
    hashtags = {
        number: Work(driver, f"hashtags: {number:,}", "ranking", sizes.tweets, hashtags=number, per_tweet=True)
        for number in (FEW_HASHTAGS, sizes.hashtags)
    }
    work = f"µs a tweet, {sizes.tweets:,} tweets"
    rows = (
        *(
            Row(13, f"{work}; {number} partitions against 1", partitions[number].name, partitions[1].name, FLAT)
            for number in (2, 4)
        ),
        Row(
            13,
            f"{work}; {sizes.hashtags:,} hashtags against {FEW_HASHTAGS}",
            hashtags[sizes.hashtags].name,
            hashtags[FEW_HASHTAGS].name,
            FLAT,
        ),
    )
    return Group((*partitions.values(), *hashtags.values()), rows)


def _growth_by_tweets(sizes: Sizes) -> Group:
    """Row 13 by the number of tweets, each ten times the one before."""
    driver = Driver(Broker())
    numbers = [max(1, sizes.grown // share) for share in (SMALLEST_SHARE, 100, 10, 1)]
    works = {number: Work(driver, f"{number:,} tweets", "ranking", number, per_tweet=True) for number in numbers}
    small, large = numbers[-2:]
    rows = [
        Row(13, f"µs a tweet; {larger:,} tweets against {smaller:,}", works[larger].name, works[smaller].name, FLAT)
        for smaller, larger in pairwise(numbers)
    ]
    memory = f"largest memory of the job, MiB; {large:,} tweets against {small:,}"
    rows.append(Row(13, memory, works[large].name, works[small].name, FLAT, part=MEMORY))
    return Group(list(works.values()), rows)


def _audit(sizes: Sizes) -> Group:
    broker = Broker()
    logs = [CountedLog(broker, max(1, number)) for number in (sizes.audited // 10, sizes.audited)]
    small, large = (Audit(log) for log in logs)
    noop, limit = NoopFromStart(logs[-1]), Limit("1 GiB", AUDIT_MEMORY_MB)
    tweets = f"audit of {sizes.audited:,} tweets"
    rows = (
        Row(17, f"{tweets}, tweets a second from process start", large.name, noop.name, 0.45, at_most=False),
        Row(17, f"{tweets}: {MEMORY}", large.name, limit.name, 1.0, part=MEMORY),
        Row(17, f"{tweets}: {MEMORY}, against a tenth of them", large.name, small.name, MEMORY_GROWTH, part=MEMORY),
    )
    return Group((small, large, noop, limit), rows)


def _cluster(sizes: Sizes) -> Group:
    """Row 18: where there are no more cores than workers, two can't be faster, and need only cost no more for each tweet."""
    broker = Broker()
    several, one = (on_workers(broker, OwnCluster(workers), sizes.tweets) for workers in (WORKERS, 1))
    narrow = (os.cpu_count() or 1) <= WORKERS
    rows = []
    for many, single, kind in zip(several, one, ("decoded", "streaming job"), strict=True):
        work = f"{kind} on {WORKERS} workers of a Spark cluster against one, {sizes.tweets:,} tweets"
        rows += [
            Row(18, f"{work}: tweets a second", many.name, single.name, 1.6, at_most=False, either=narrow),
            Row(18, f"{work}: {EXECUTORS_CPU}", many.name, single.name, 1.2, part=EXECUTORS_CPU, either=narrow),
        ]
    return Group((*several, *one), rows)


def _imports() -> Group:
    bare = Import("bare import", BARE)
    programs = {name: Import(f"import of the {name}", f"import trending.{name}.program") for name in ("producer", "page")}
    rows = [Row(19, f"{each.name}, s", each.name, bare.name, 2.5) for each in programs.values()]
    return Group((bare, *programs.values()), rows)
