"""Send dead letters back into the topic: those that would be tweets today, as they are or as somebody has mended them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.forms.proving import RedriveForm
from infra.forms.terminal import run_command
from infra.lab.assembly import Lab, open_lab
from infra.operations.epochs import known_topic_id
from trending.errors import InvalidInput, NotReady
from trending.kafka.log_reader import topic_id
from trending.redrive.choice import Wish
from trending.redrive.desk import Desk
from trending.settings import dead_letter_topic
from trending.text import for_make, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trending.redrive.choice import Choice, Unfit

SHOWN = 20
"""At most this many letters are printed one by one."""
SUFFIX = ".json"


def main(settings: RedriveForm) -> None:
    """Show what would be sent back, and send it if that is asked for; raises InvalidInput where no letter fits."""
    desk = desk_of(open_lab(settings.name))
    directory = Path(settings.bodies).expanduser() if settings.bodies else None
    given = directory is not None and directory.is_dir()
    if directory is not None and directory.exists() and not given:
        cause = f"{directory} is no directory"
        raise InvalidInput(cause, "BODIES has a file a letter", "make redrive BODIES=directory")
    wish = Wish(settings.limit, settings.reason, read_bodies(directory) if directory and given else {})
    choice = desk.look(wish)
    if choice.strays:
        cause = f"{directory}/{choice.strays[0]}{SUFFIX} is the body of no letter that this command takes"
        why = "there is no such letter, or REASON leaves it out, or an earlier letter is about the same record"
        raise InvalidInput(cause, why, f"move it out of {directory}, then {command_of(settings)}")
    if not (choice.mended or choice.unfit or choice.done or choice.summed_up):
        say(f"there are no dead letters{' of that reason' if settings.reason else ''}: nothing is to be sent back")
        return
    for line in lines_of(choice):
        say(line)
    if directory is not None and not given and choice.unfit:
        write_bodies(directory, choice.unfit)
        say(f"their bodies are in {directory}: mend them, then {command_of(settings)}")
        return
    if not choice.mended:
        cause = "no dead letter fits: none would be a tweet today that was not sent back before"
        way = "make redrive BODIES=directory writes their bodies for you to mend"
        raise InvalidInput(cause, f"do not fit {len(choice.unfit)}, sent back before {choice.done}", way)
    if not settings.send:
        say(f"nothing was sent: {command_of(settings, send=True)} sends them")
        return
    sent = desk.send(wish)
    say(f"sent back {sent.letters} letters under ids of the run {sent.run}; make audit counts them")


def command_of(settings: RedriveForm, *, send: bool = False) -> str:
    """Return the command that takes the letters of this one."""
    words = ["make redrive"]
    if send:
        words.append("SEND=1")
    if settings.reason:
        words.append(f"REASON={for_make(settings.reason)}")
    if settings.limit != RedriveForm.model_fields["limit"].default:
        words.append(f"LIMIT={settings.limit}")
    if settings.bodies:
        words.append(f"BODIES={for_make(str(Path(settings.bodies).expanduser()))}")
    return " ".join(words)


def desk_of(lab: Lab) -> Desk:
    """Return the desk of a stack; raises NotReady where no broker answers, or one of the two topics is not there yet."""
    topic = lab.settings.stack.topic
    letters = dead_letter_topic(topic)
    tweets_id = known_topic_id(lab)
    letters_id = topic_id(lab.stack.connection, letters)
    if letters_id is None:
        cause = f"there is no topic {letters} yet"
        raise NotReady(cause, f"the broker at {lab.stack.connection.bootstrap} has none of that name", "make up")
    rule = lab.settings.stream.rule
    return Desk(lab.stack.connection, topic, tweets_id, letters, letters_id, lab.paths.ledger, rule)


def lines_of(choice: Choice) -> list[str]:
    """Return what was found, as printed."""
    lines = [
        f"letter {each.letter}, partition {each.place[0]}, offset {each.place[1]}: fits, {printable(each.hashtag)}"
        for each in choice.mended[:SHOWN]
    ]
    if len(choice.mended) > SHOWN:
        lines.append(f"and {len(choice.mended) - SHOWN} more that fit")
    whys = Counter(each.why for each in choice.unfit)
    shown = sorted(whys.most_common(SHOWN))
    lines += [f"{number} do not fit: {why}" for why, number in shown]
    if len(whys) > SHOWN:
        lines.append(f"and {whys.total() - sum(number for _why, number in shown)} more that do not fit, for other reasons")
    if choice.done:
        lines.append(f"{choice.done} were sent back before")
    if choice.summed_up:
        lines.append(f"{choice.summed_up} records of a flood have no letters of their own and cannot be sent back from here")
    if choice.left_for_later:
        lines.append(f"{choice.left_for_later} more fit and are left for the next time")
    return [*lines, f"{len(choice.mended)} letters would be sent back"]


def read_bodies(directory: Path) -> Mapping[int, bytes]:
    """Return letter → body of the files in a directory; raises InvalidInput for a file that is unreadable or not one letter's."""
    bodies: dict[int, bytes] = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        if not path.stem.isdecimal():
            cause = f"{path} is not named after a letter"
            raise InvalidInput(cause, "12.json would be the body of letter 12", "make redrive lists the letters")
        letter = int(path.stem)
        if letter in bodies:
            cause = f"letter {letter} has two bodies"
            raise InvalidInput(cause, f"one of them is {path}", "keep one of them")
        try:
            bodies[letter] = path.read_bytes()
        except OSError as error:
            cause = f"{path} cannot be read"
            raise InvalidInput(cause, str(error), "move it away, or make it readable") from error
    return bodies


def write_bodies(directory: Path, unfit: Sequence[Unfit]) -> None:
    """Write the bodies of letters into a new directory; raises InvalidInput where it cannot be made or written."""
    try:
        directory.mkdir(parents=True)
        for each in unfit:
            (directory / f"{each.letter}{SUFFIX}").write_bytes(each.body)
    except OSError as error:
        cause = f"{directory} cannot be written"
        raise InvalidInput(cause, str(error), "make redrive BODIES=another-directory") from error


if __name__ == "__main__":
    run_command(RedriveForm, main, ".venv/bin/python -m infra.commands.redrive")
