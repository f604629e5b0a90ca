from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fakes.stacks import make

from infra.commands import redrive
from infra.forms.next_commands import with_name
from infra.forms.proving import RedriveForm
from trending.errors import InvalidInput, NotReady, StackAbsent
from trending.redrive.choice import Choice, Mended, Unfit
from trending.redrive.desk import Sent

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.world import World

    from trending.redrive.choice import Wish

FITS = Mended(7, (0, 12), "#\u202ea", b"{}", None, ())
BROKEN = Unfit(9, (0, 14), b"{oops", "not valid JSON")


@dataclass
class DeskInMemory:
    """A desk that finds what it was given, and keeps what it was asked for."""

    choice: Choice = field(default_factory=Choice)
    asked: list[Wish] = field(default_factory=list)
    sent: list[Wish] = field(default_factory=list)

    def look(self, wish: Wish) -> Choice:
        self.asked.append(wish)
        mended = [*self.choice.mended, *(Mended(letter, (0, 0), "#m", body, None, ()) for letter, body in wish.bodies.items())]
        unfit = [each for each in self.choice.unfit if each.letter not in wish.bodies]
        return Choice(mended, unfit, self.choice.done, strays=self.choice.strays)

    def send(self, wish: Wish) -> Sent:
        self.sent.append(wish)
        return Sent("0123456789ab", len(self.look(wish).mended))


@pytest.fixture
def desk(world: World, monkeypatch: pytest.MonkeyPatch) -> DeskInMemory:
    assert world
    make()
    desk: Any = DeskInMemory()
    monkeypatch.setattr(redrive, "desk_of", lambda _lab: desk)
    return desk  # type: ignore[no-any-return]


def test_without_send_it_only_shows_what_would_go_back(desk: DeskInMemory, said: list[str]) -> None:
    desk.choice = Choice([FITS], [BROKEN], done=3)
    redrive.main(RedriveForm(name="lab", reason="late", limit=5))
    assert said == [
        "letter 7, partition 0, offset 12: fits, #\\u202ea",
        "1 do not fit: not valid JSON",
        "3 were sent back before",
        "1 letters would be sent back",
        "nothing was sent: make redrive SEND=1 REASON=late LIMIT=5 sends them",
    ]
    assert (desk.sent, desk.asked[0].reason, desk.asked[0].limit) == ([], "late", 5)


def test_of_many_reasons_the_most_common_are_shown(desk: DeskInMemory, said: list[str]) -> None:
    unfit = [Unfit(number, (0, number), b"", f"reason {number % 30:02}") for number in range(70)]
    desk.choice = Choice([FITS], unfit)
    redrive.main(RedriveForm(name="lab"))
    assert said[1:21] == [f"{3 if number < 10 else 2} do not fit: reason {number:02}" for number in range(20)]
    assert said[21] == "and 20 more that do not fit, for other reasons"


def test_with_send_they_go_back(desk: DeskInMemory, said: list[str]) -> None:
    desk.choice = Choice([FITS])
    redrive.main(RedriveForm(name="lab", send=True))
    assert said[-1] == "sent back 1 letters under ids of the run 0123456789ab; make audit counts them"
    assert with_name("make redrive SEND=1 sends them", "lab") == "make redrive NAME=lab SEND=1 sends them"
    assert len(desk.sent) == 1


@pytest.mark.parametrize("settings", [{}, {"send": True}, {"reason": "late"}])
def test_where_there_are_no_letters_it_says_so(desk: DeskInMemory, said: list[str], settings: dict[str, Any]) -> None:
    redrive.main(RedriveForm(name="lab", **settings))
    of = " of that reason" if "reason" in settings else ""
    assert said == [f"there are no dead letters{of}: nothing is to be sent back"]
    assert desk.sent == []


@pytest.mark.parametrize("send", [True, False])
def test_where_nothing_fits_it_refuses_and_says_how_to_mend(desk: DeskInMemory, *, send: bool) -> None:
    desk.choice = Choice([], [BROKEN], done=2)
    with pytest.raises(InvalidInput, match="no dead letter fits") as caught:
        redrive.main(RedriveForm(name="lab", send=send))
    assert caught.value.evidence == "do not fit 1, sent back before 2"
    assert "make redrive BODIES=" in caught.value.next_command
    assert desk.sent == []


def test_bodies_are_written_out_once_and_what_was_mended_goes_back(desk: DeskInMemory, said: list[str], tmp_path: Path) -> None:
    desk.choice = Choice([], [BROKEN])
    bodies = tmp_path / "bodies"
    redrive.main(RedriveForm(name="lab", bodies=str(bodies), send=True))
    assert [(path.name, path.read_bytes()) for path in bodies.iterdir()] == [("9.json", b"{oops")]
    assert desk.sent == [], "somebody mends them first"
    (bodies / "9.json").write_bytes(b"mended")
    redrive.main(RedriveForm(name="lab", bodies=str(bodies)))
    assert (bodies / "9.json").read_bytes() == b"mended", "what is there is never overwritten"
    assert f"SEND=1 BODIES={bodies}" in said[-1]
    redrive.main(RedriveForm(name="lab", bodies=str(bodies), send=True))
    assert desk.sent[0].bodies == {9: b"mended"}


def test_what_is_sent_next_is_what_was_shown(desk: DeskInMemory, said: list[str], tmp_path: Path) -> None:
    desk.choice = Choice([FITS])
    bodies = tmp_path / "my $letters"
    bodies.mkdir()
    redrive.main(RedriveForm(name="lab", reason="not valid JSON", bodies=str(bodies)))
    quoted = str(bodies).replace("$", "$$")
    assert said[-1] == f"nothing was sent: make redrive SEND=1 REASON='not valid JSON' BODIES='{quoted}' sends them"


def test_the_command_after_mending_takes_the_same_letters(desk: DeskInMemory, said: list[str], tmp_path: Path) -> None:
    desk.choice = Choice([], [BROKEN])
    bodies = tmp_path / "my letters"
    redrive.main(RedriveForm(name="lab", reason="JSON", bodies=str(bodies)))
    assert said[-1] == f"their bodies are in {bodies}: mend them, then make redrive REASON=JSON BODIES='{bodies}'"


def test_a_body_of_no_letter_is_refused_before_anything_is_sent(desk: DeskInMemory, tmp_path: Path) -> None:
    desk.choice = Choice([FITS], strays=(99,))
    with pytest.raises(InvalidInput, match=r"99\.json is the body of no letter") as caught:
        redrive.main(RedriveForm(name="lab", bodies=str(tmp_path), send=True))
    assert f"make redrive BODIES={tmp_path}" in caught.value.next_command
    assert desk.sent == []


def test_bodies_that_are_no_directory_are_refused(desk: DeskInMemory, tmp_path: Path) -> None:
    desk.choice = Choice([FITS], [BROKEN])
    (tmp_path / "bodies").write_bytes(b"{}")
    with pytest.raises(InvalidInput, match="is no directory"):
        redrive.main(RedriveForm(name="lab", bodies=str(tmp_path / "bodies"), send=True))
    assert desk.sent == []


def test_bodies_that_cannot_be_written_are_told(desk: DeskInMemory, tmp_path: Path) -> None:
    desk.choice = Choice([], [BROKEN])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match="cannot be written") as caught:
        redrive.main(RedriveForm(name="lab", bodies=str(tmp_path / "file" / "bodies")))
    assert "Not a directory" in caught.value.evidence


def test_a_body_that_cannot_be_read_is_told(desk: DeskInMemory, tmp_path: Path) -> None:
    (tmp_path / "9.json").mkdir()
    with pytest.raises(InvalidInput, match=r"9\.json cannot be read") as caught:
        redrive.main(RedriveForm(name="lab", bodies=str(tmp_path), send=True))
    assert "Is a directory" in caught.value.evidence
    assert desk.sent == []


def test_two_bodies_of_one_letter_are_refused(desk: DeskInMemory, tmp_path: Path) -> None:
    for name in ("9.json", "009.json"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(InvalidInput, match="letter 9 has two bodies"):
        redrive.main(RedriveForm(name="lab", bodies=str(tmp_path), send=True))
    assert desk.sent == []


def test_a_file_that_is_not_named_after_a_letter_is_refused(desk: DeskInMemory, tmp_path: Path) -> None:
    (tmp_path / "nine.json").write_bytes(b"")
    with pytest.raises(InvalidInput, match="is not named after a letter"):
        redrive.main(RedriveForm(name="lab", bodies=str(tmp_path), send=True))
    assert desk.sent == []


def test_the_desk_is_the_stacks_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive, "topic_id", world.topic_id)
    desk = redrive.desk_of(make())
    assert (desk.topic, desk.letters, desk.ledger.name) == ("tweets_topic", "tweets_topic.dlq", "ledger.sqlite")
    assert (bool(desk.topic_id), bool(desk.letters_id)) == (True, True)


def test_without_dead_letter_topic_there_is_nothing_to_look_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make()
    assert world
    monkeypatch.setattr(redrive, "topic_id", lambda _connection, _topic: None)
    with pytest.raises(NotReady, match=r"there is no topic tweets_topic\.dlq yet"):
        redrive.desk_of(lab)


@pytest.mark.usefixtures("world")
def test_of_a_stack_that_nobody_made_nothing_is_sent_back() -> None:
    with pytest.raises(StackAbsent):
        redrive.main(RedriveForm(name="lab"))
