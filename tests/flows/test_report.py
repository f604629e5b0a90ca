from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack
from fakes.trending import report as report_data
from fakes.trending.shown import pdf_pages, take_apart

from flows import demo, start_up
from flows import report as module
from infra.forms.showing import DemoOptions, ReportForm, ReportOptions
from infra.forms.stacks import StartUpForm
from infra.game_day.kept_day import keep_day
from infra.host.paths import CHECKOUT, StackPaths
from infra.lab.assembly import open_lab, want
from infra.operations.epochs import checkpoint_path
from infra.stack.state import Wanted, existing_stacks
from trending.errors import AuditFailed, ConfigurationConflict, Interrupted, InvalidInput, NotReady
from trending.kafka.log_reader import Record
from trending.report.data import Report
from trending.report.writing import write_files
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.settings import PageSettings
from trending.tweets.wire_format import Tweet, encode

if TYPE_CHECKING:
    from fakes.world import World

pytestmark = pytest.mark.usefixtures("world", "plain")
FILES = [
    "datos.json",
    "diapositivas.html",
    "diapositivas.pdf",
    "en",
    "fuentes",
    "informe.html",
    "memoria.pdf",
    "notas.pdf",
    "serving.sqlite",
]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made" / "here"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock()
    monkeypatch.setattr(demo, "time", made)
    return made


def form(out: Path, **stack: Any) -> ReportForm:
    return ReportForm(stack=lab_stack(**stack), demo=DemoOptions(demo_seconds=5), report=ReportOptions(out=str(out)))


def read(out: Path) -> Report:
    return Report.model_validate_json((out / "datos.json").read_bytes())


def count_a_tweet(world: World) -> None:
    """Put one tweet of another producer into the log, the checkpoint and the store."""
    lab = open_lab("lab")
    now = time.time()
    world.append(lab.paths, Record(0, 7, now, encode(Tweet("@a", "hola #Spark", "#Spark", now - 2)), {"id": b"run:9"}))
    checkpoint = checkpoint_path(lab)
    (checkpoint / "offsets").mkdir(parents=True)
    (checkpoint / "offsets" / "0").write_text('v1\n{}\n{"tweets_topic":{"0":8}}', encoding="utf-8")
    store = Store(lab.paths.store)
    store.write(checkpoint.name, Batch(0, now + 1, {(int(now) // 60 * 60, "#Spark"): 1}, {}), {0: 8})
    store.close()


def test_the_report_of_a_running_stack_leaves_it_running(
    world: World, said: list[str], out: Path, artifacts: dict[str, str]
) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack()))
    running = set(world.running)
    world.forget_history()
    said.clear()
    assert module.report(form(out)) == str(out)
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert world.running == running
    assert world.changes == ["end producer", "launch producer"]
    assert said[0] == "the stack lab runs: this report is of it, and it goes on afterwards"
    assert f"slides: {out}/diapositivas.pdf" in said
    made = read(out)
    assert not made.own_stack
    assert [component.name for component in made.facts.components] == ["kafka", "producer", "stream", "page"]
    assert made.facts.start_up is not None
    assert [step.name for step in made.facts.start_up.steps][-1] == "page"
    assert "no hay ningún navegador" in made.photo_note
    assert made.measured.audit.lines[-1] == "audit: acknowledged 0, in log 0, counted 0, lost 0, duplicated 0"
    assert "make replay-demo STORE=" in artifacts["report"]
    assert "lost 0, duplicated 0" in artifacts["report"]


def test_a_tweet_of_the_run_is_followed_and_counted_both_ways(world: World, out: Path) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack()))
    log = open_lab("lab").paths.output_file("stream")
    log.write_text("".join(f"=====\nBatch {number} - x\n=====\nnoise\n" for number in range(4)), encoding="utf-8")
    count_a_tweet(world)
    with pytest.raises(AuditFailed):  # the producer's ledger knows nothing of that tweet
        module.report(form(out))
    measured = read(out).measured
    assert measured.tweet is not None
    assert (measured.tweet.record_id, measured.tweet.offset, measured.tweet.batch, measured.tweet.count) == ("run:9", 7, 0, 1)
    assert measured.tweet.seconds == pytest.approx(3, abs=0.01)
    assert measured.stream.ages is not None
    assert measured.stream.ages.median == measured.tweet.seconds
    assert (measured.totals.tweets, measured.totals.differing, measured.batch.records) == (1, 0, 1)
    assert measured.blocks == ("=====\nBatch 2 - x\n=====", "=====\nBatch 3 - x\n=====")
    assert not measured.audit.clean
    assert "LA CUENTA NO CUADRA" in take_apart((out / "informe.html").read_text(encoding="utf-8")).text
    assert "LA CUENTA NO CUADRA" in "".join(pdf_pages((out / "diapositivas.pdf").read_bytes()))
    assert "producer" in world.programs, "what the audit found is no reason to keep it stopped"


def test_without_a_stack_one_is_brought_up_watched_and_taken_down(
    world: World, said: list[str], out: Path, clock: FakeClock
) -> None:
    module.report(form(out))
    assert said[0] == "there is no stack lab: this report brings one up, watches it for 5 s and takes it down"
    assert clock.now - 1000 >= 5
    assert world.running == set()
    assert existing_stacks() == []
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert read(out).own_stack
    assert "launch producer" not in world.calls[world.calls.index("remove producer") :], "it was started for nothing"


def test_the_usual_place_is_in_the_checkout_and_named_for_stack_and_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    start_up.start_up(StartUpForm(stack=lab_stack()))
    place = Path(module.report(ReportForm(stack=lab_stack())))
    assert place.parent == tmp_path / "reports"
    assert place.name.startswith("lab-20")
    assert read(place).store == f"reports/{place.name}/serving.sqlite"
    assert "reports/" in (CHECKOUT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_a_stack_that_is_stopped_is_neither_reported_on_nor_brought_up(world: World, out: Path) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack()))
    want(open_lab("lab"), Wanted.STOPPED)
    world.forget_history()
    with pytest.raises(NotReady, match="exists and does not run"):
        module.report(form(out))
    assert world.changes == []
    assert not out.exists()


def test_a_report_is_never_written_over_something_else(world: World, out: Path) -> None:
    out.mkdir(parents=True)
    precious = out / "thesis.txt"
    precious.touch()
    for place in (out, precious):
        with pytest.raises(InvalidInput, match="no empty directory"):
            module.report(form(place))
    assert precious.exists()
    assert world.changes == []


@pytest.mark.parametrize("error", [ConfigurationConflict("the log cannot be read"), Interrupted()])
@pytest.mark.parametrize("own", [False, True])
def test_what_fails_leaves_no_half_report_and_no_stack_of_its_own(
    *, own: bool, error: BaseException, world: World, out: Path
) -> None:
    if not own:
        start_up.start_up(StartUpForm(stack=lab_stack()))
    world.fail("read tweets_topic", error)
    with pytest.raises(type(error)):
        module.report(form(out))
    assert not out.exists()
    assert existing_stacks() == ([] if own else ["lab"])
    assert ("producer" in world.programs) is (not own)


def test_a_photo_is_of_this_run_and_a_stack_without_a_page_has_none(
    world: World, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def picture(_browser: str, address: str, target: Path) -> str:
        assert "producer" in world.programs, "the page is alive while it is photographed"
        asked.append(address)
        target.write_bytes((CHECKOUT / "docs" / "screenshots" / "prefect-form.png").read_bytes())
        return ""

    monkeypatch.setattr("infra.operations.report.find_browser", lambda: "/usr/bin/chromium")
    monkeypatch.setattr("infra.operations.report.take_picture", picture)
    start_up.start_up(StartUpForm(stack=lab_stack()))
    module.report(form(out))
    assert asked == ["http://localhost:8501/?lang=es"]
    assert read(out).photo == "pagina.png"
    assert "img" in take_apart((out / "diapositivas.html").read_text(encoding="utf-8")).tags
    port = open_lab("lab").settings.stack.port
    start_up.start_up(StartUpForm(stack=lab_stack(port=port), page=PageSettings(page_port=0)))
    module.report(form(out.with_name("second")))
    assert "PAGE_PORT=0" in read(out.with_name("second")).photo_note
    assert len(asked) == 1


def test_a_stack_whose_start_up_nobody_kept_says_so(world: World, out: Path) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack()))
    StackPaths.of("lab").start_up_summary.unlink()
    StackPaths.of("lab").heartbeat("stream").write_text(
        json.dumps({"at": time.time(), "pid": os.getpid(), "phase": "running", "figures": {"offset.0": 7}}),
        encoding="utf-8",
    )
    module.report(form(out))
    made = read(out)
    assert made.facts.start_up is None
    assert (made.measured.stream.batches, made.measured.stream.mean_seconds, made.measured.stream.last_seconds) == (None,) * 3
    assert "no constan" in take_apart((out / "informe.html").read_text(encoding="utf-8")).text


def test_who_defends_it_is_read_before_anything_is_started(world: World, out: Path, tmp_path: Path) -> None:
    defence = tmp_path / "defence.toml"
    defence.write_text('title = "Mi título"', encoding="utf-8")
    asked = form(out).model_copy(update={"report": ReportOptions(out=str(out), defence=str(defence))})
    for command in (module.report, module.main):
        with pytest.raises(InvalidInput, match=f"{defence}, field subject: is missing"):
            command(asked)
    assert world.changes == []
    assert not out.exists()
    defence.write_text((CHECKOUT / "defence.sample.toml").read_text(encoding="utf-8"), encoding="utf-8")
    module.report(asked)
    made = read(out)
    assert made.identity is not None
    assert made.identity.authors[0].name == "Ada Lovelace"
    for name in ("informe.html", "diapositivas.html"):
        assert "Ada Lovelace: productor y simulador" in take_apart((out / name).read_text(encoding="utf-8")).text
    assert "Ada Lovelace: producer" in pdf_pages((out / "en" / "report.pdf").read_bytes())[0]


def test_the_last_game_day_is_in_the_report(world: World, out: Path) -> None:
    start_up.start_up(StartUpForm(stack=lab_stack()))
    day = report_data.report().game_day
    assert day is not None
    assert world.running
    keep_day(StackPaths.of("lab"), day)
    module.report(form(out))
    assert read(out).game_day == day
    assert "kill-broker" in take_apart((out / "informe.html").read_text(encoding="utf-8")).text


@pytest.mark.parametrize("own", [False, True])
def test_the_command_stops_the_server_only_when_no_stack_needs_it(
    *, own: bool, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[bool] = []

    def with_server(run: Any, *, leave: bool) -> None:
        left.append(leave)
        run()

    monkeypatch.setattr(module, "with_server", with_server)
    if not own:
        start_up.start_up(StartUpForm(stack=lab_stack()))
    module.main(form(out))
    assert left == [not own]


@pytest.mark.row(35)
@pytest.mark.parametrize("mode", [0o750, None], ids=["into an empty directory", "into a new one"])
def test_a_report_that_fails_deletes_only_what_it_wrote_itself(mode: int | None, out: Path) -> None:
    if mode is not None:
        out.mkdir(mode=mode, parents=True)

    def write_and_fail() -> None:
        with module.new_place(str(out), "lab") as place:
            write_files(report_data.report(), place)
            for name in ("serving.sqlite", "serving.sqlite-journal", "page.jsonl.gz"):
                (place / name).touch()
            (place / "my notes.txt").write_text("somebody's", encoding="utf-8")
            raise AuditFailed("lost 1")

    with pytest.raises(AuditFailed):
        write_and_fail()
    assert [each.name for each in out.iterdir()] == ["my notes.txt"]
    if mode is not None:
        assert out.stat().st_mode & 0o777 == mode, "it is the same directory"


def test_two_reports_do_not_share_a_directory(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with module.new_place(str(out), "lab") as place:
        (place / FILES[0]).write_text("the first's", encoding="utf-8")
        with pytest.raises(InvalidInput), module.new_place(str(out), "lab"):
            pass
        monkeypatch.setattr(type(out), "iterdir", lambda _self: iter(()))  # it looked before the first one had begun
        with pytest.raises(InvalidInput, match="another report is being written"), module.new_place(str(out), "lab"):
            pass
    monkeypatch.undo()
    assert [each.name for each in out.iterdir()] == [FILES[0]]
    assert (out / FILES[0]).read_text(encoding="utf-8") == "the first's"
