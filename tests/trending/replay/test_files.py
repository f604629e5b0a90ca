"""Files of public shape, their contents made for these tests."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.errors import InvalidInput
from trending.replay import files, tables
from trending.replay.files import RecordedFile
from trending.replay.posts import Columns, Post
from trending.replay.shapes import Bad

SOMETIME = 1539202764_000_000
V1 = {
    "created_at": "Wed Oct 10 20:19:24 +0000 2018",
    "id": 1050118621198921728,
    "id_str": "1050118621198921728",
    "text": "To make room for more #Spark, we will start",
    "truncated": False,
    "user": {"id": 6253282, "name": "Ana", "screen_name": "ana", "created_at": "Wed May 23 06:01:13 +0000 2007"},
    "entities": {"hashtags": [{"text": "Spark", "indices": [22, 28]}], "urls": []},
    "lang": "en",
}
V2 = {
    "data": [
        {
            "id": "1",
            "text": "hola #IA",
            "author_id": "7",
            "created_at": "2018-10-10T20:19:24.000Z",
            "entities": {"hashtags": [{"start": 5, "end": 8, "tag": "IA"}]},
        },
        {"id": "2", "text": "sin etiqueta", "author_id": "8", "created_at": "2018-10-10T20:19:25.500Z"},
    ],
    "includes": {"users": [{"id": "7", "username": "luis", "name": "Luis"}]},
    "meta": {"result_count": 2},
}


def rows(path: Path, content: str | bytes, columns: str = "") -> list[Post | Bad]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(RecordedFile(path, Columns.parse(columns)).posts())


def lines(*values: object) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


def test_lines_of_v1_with_its_notices_and_the_whole_text_of_a_long_one(tmp_path: Path) -> None:
    long = {
        **V1,
        "truncated": True,
        "text": "it is cut…",
        "entities": {"hashtags": []},
        "extended_tweet": {"full_text": "it is long #BigData", "entities": {"hashtags": [{"text": "BigData"}]}},
    }
    whole = {**{name: value for name, value in V1.items() if name != "text"}, "full_text": "all of it #Spark"}
    found = rows(
        tmp_path / "a",
        lines(V1, {"delete": {"status": {}}}, {"limit": {"track": 1}, "timestamp_ms": "1"}) + "\n" + lines(long, whole),
    )
    assert found == [
        Post(SOMETIME, 1, "@ana", V1["text"], "#Spark"),
        Post(SOMETIME, 5, "@ana", "it is long #BigData", "#BigData"),
        Post(SOMETIME, 6, "@ana", "all of it #Spark", "#Spark"),
    ]


def test_v2_by_pages_by_lines_of_a_stream_and_flattened(tmp_path: Path) -> None:
    first = Post(SOMETIME, 1, "@luis", "hola #IA", "#IA")
    second = Post(SOMETIME + 1_500_000, 1, "8", "sin etiqueta", "")
    assert rows(tmp_path / "a", json.dumps(V2, indent=2)) == [first, second]
    one, other = map(json.dumps, V2["data"])
    by_lines = f'{{\n"data": [\n{one},\n{other}\n],\n"includes": {json.dumps(V2["includes"])}}}'
    assert rows(tmp_path / "e", by_lines) == [first, second]
    assert rows(tmp_path / "b", lines(V2, {"meta": {"result_count": 0}})) == [first, second]
    assert rows(tmp_path / "c", lines({**V2, "data": V2["data"][0], "matching_rules": []})) == [first]  # type: ignore[index]
    assert rows(tmp_path / "d", lines({**V2["data"][0], "author": {"username": "luis"}})) == [first]  # type: ignore[index, dict-item]


def test_v2_without_times_says_what_to_ask_for(tmp_path: Path) -> None:
    (bad,) = rows(tmp_path / "a", lines({"data": [{"id": "1", "text": "a"}]}))
    assert bad[:2] == (1, "data[0].created_at")
    assert "tweet.fields=created_at" in bad[2]
    assert rows(tmp_path / "b", lines({"data": [1]})) == [Bad(1, "data[0]", "is a int: it would be a tweet, a JSON object")]


def test_the_labs_own_tweets_keep_their_hashtag_as_it_is(tmp_path: Path) -> None:
    tweet = {"usuario": "@a", "texto": "b", "hashtag_principal": "#C++", "timestamp": 1539202764.25}
    found = rows(tmp_path / "a", lines(tweet, {**tweet, "hashtag_principal": None}, {**tweet, "hashtag_principal": 1}))
    assert found[:2] == [Post(SOMETIME + 250_000, 1, "@a", "b", "#C++"), Post(SOMETIME + 250_000, 2, "@a", "b", "")]
    assert found[2] == Bad(3, "hashtag_principal", "is a int: it would be a text")


def test_any_json_by_the_usual_names_or_by_those_given(tmp_path: Path) -> None:
    usual = {"date": 1539202764, "content": "a #b", "user": {"username": "x"}}
    assert rows(tmp_path / "a", lines(usual)) == [Post(SOMETIME, 1, "@anonymous", "a #b", "#b")]
    own = {"meta": {"when": 1539202764000}, "body": "a", "tags": ["x"], "a.b": "who"}
    columns = "time=meta.when:ms,text=body,hashtag=tags,user=a.b"
    assert rows(tmp_path / "b", lines(own, {"body": "c"}), columns) == [
        Post(SOMETIME, 1, "who", "a", "#x"),
        Bad(2, "meta.when", "is missing: a replay needs to know when each post was written; COLUMNS=time=… names its column"),
    ]


def test_broken_lines_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    found = rows(tmp_path / "a", lines(V1).encode() + b'{"a":\n[1]\n{"text":"\xff"}\n' + lines(V1).encode())
    assert [each.row for each in found] == [1, 2, 3, 4, 5]
    assert [type(each) for each in found] == [Post, Bad, Bad, Bad, Post]
    found = rows(tmp_path / "b", b'\xef\xbb\xbf{"a":\n' + lines(V1).encode())
    assert [type(each) for each in found] == [Bad, Post], "the first line is broken, which makes it no document"


def test_a_list_of_tweets_and_one_that_is_broken_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [each.row for each in rows(tmp_path / "a", json.dumps([V1, V1], indent=1))] == [1, 2]
    with pytest.raises(InvalidInput, match="is not JSON"):
        rows(tmp_path / "b", "[1,")
    monkeypatch.setattr(files, "LARGEST_DOCUMENT", 100)
    with pytest.raises(InvalidInput, match="more than 100 bytes") as caught:
        rows(tmp_path / "c", json.dumps([V1, V1]))
    assert "jq -c" in caught.value.next_command


def test_a_line_that_does_not_end_costs_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE", 1000)
    found = rows(tmp_path / "a", lines(V1) + "{" + "x" * 5_000 + "\n" + lines(V1))
    assert [(each.row, type(each)) for each in found] == [(1, Post), (2, Bad), (3, Post)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
def test_csv_as_it_is_exported_whatever_its_encoding_and_separator(tmp_path: Path, separator: str, encoding: str) -> None:
    table = [["id", "created_at", "text", "screen_name"], ["1", "2018-10-10 20:19:24", '"¡qué #Ñandú!"', "ana"]]
    text = "\r\n".join(separator.join(row) for row in table)
    assert rows(tmp_path / "a.csv", text.encode(encoding)) == [Post(SOMETIME, 2, "ana", "¡qué #Ñandú!", "#Ñandú")]


def test_csv_with_breaks_in_texts_hashtags_of_its_own_and_short_rows(tmp_path: Path) -> None:
    text = "Tweet Created,Text,Hashtags\n1539202764,\"two\nlines, a comma\",'IA'\n\n1539202764\n,x,y\n"
    assert rows(tmp_path / "a.csv", text) == [
        Post(SOMETIME, 2, "@anonymous", "two\nlines, a comma", "#IA"),
        Bad(4, "text", "is missing: the row has 1 columns"),
        Bad(5, "time", "is missing: a replay needs to know when each post was written; COLUMNS=time=… names its column"),
    ]


def test_csv_without_a_header_by_numbers_or_as_sentiment140_is(tmp_path: Path) -> None:
    known = '"0","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","ana","caf\xe9 #wow"\n'.encode("latin-1")
    assert rows(tmp_path / "a.csv", known * 2) == [Post(1239081585_000_000, row, "ana", "café #wow", "#wow") for row in (1, 2)]
    assert rows(tmp_path / "b.csv", "hi #a,1539202764000\n", "text=1,time=2:ms") == [
        Post(SOMETIME, 1, "@anonymous", "hi #a", "#a")
    ]
    with pytest.raises(InvalidInput, match="by a number"):
        rows(tmp_path / "c.csv", "hi,1\n", "text=1,time=3")


def test_csv_whose_header_lacks_a_column_is_refused_with_those_that_it_has(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="which column is the time") as caught:
        rows(tmp_path / "a.csv", "when,text\n1,a\n")
    assert caught.value.evidence == "its columns are when, text"
    with pytest.raises(InvalidInput, match="has no column body"):
        rows(tmp_path / "a.csv", "time,text\n1,a\n", "text=body")


def test_a_quote_that_is_never_closed_costs_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LONGEST_FIELD", 1_000)
    found = rows(tmp_path / "a.csv", 'time,text\n1,"a\n' + "2,b\n" * 1_000)
    assert isinstance(found[0], Bad)
    assert "is a quote open?" in found[0].why


def test_parquet_with_times_and_lists_of_its_own(tmp_path: Path) -> None:
    time = dt.datetime(2018, 10, 10, 20, 19, 24, tzinfo=dt.UTC)
    for unit in ("s", "ms", "us", "ns"):
        column = pa.array([time, None], pa.timestamp(unit, "UTC"))
        table = pa.table({"created_at": column, "text": ["a", "b"], "hashtags": [["x", "y"], []], "big": ["-", "-"]})
        pq.write_table(table, tmp_path / "a.parquet")
        found = list(RecordedFile(tmp_path / "a.parquet").posts())
        assert found[0] == Post(SOMETIME, 1, "@anonymous", "a", "#x")
        assert found[1][:2] == (2, "created_at")
    found = list(RecordedFile(tmp_path / "a.parquet", Columns.parse("text=big")).posts())
    assert found[0] == Post(SOMETIME, 1, "@anonymous", "-", "#x")


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"PAR1 and nothing else", b"\x1f\x8bbroken", b"BZhbroken", gzip.compress(b"{}" * 99, mtime=0)[:20]]
)
def test_what_cannot_be_read_is_one_message(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInput):
        rows(tmp_path / "a", content)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_files_are_read_too(tmp_path: Path, pack: object) -> None:
    assert [type(each) for each in rows(tmp_path / "a.gz", pack(lines(V1, V1).encode()))] == [Post, Post]  # type: ignore[operator]
    csv = "time,text\n1,é\n".encode("latin-1")
    assert rows(tmp_path / "b.gz", pack(csv)) == [Post(1_000_000, 2, "@anonymous", "é", "")]  # type: ignore[operator]


@given(st.binary(max_size=400) | st.text(st.sampled_from('{}[]",:\n#a1 \\e-'), max_size=200).map(str.encode))
def test_whatever_a_file_holds_it_is_rows_or_one_message(content: bytes) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        try:
            found = rows(Path(directory) / "a", content)
        except InvalidInput:
            return
    assert all(isinstance(each, Post | Bad) for each in found)
