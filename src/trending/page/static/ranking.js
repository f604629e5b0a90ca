// The ranking, the last windows together, the trends. Hashtags are only ever set as text.

import { counted, find, nameAll, number, ofLength, reduced, setText, show, signed, words } from "./state.js";

const REMARKABLE = 3; // standard deviations; less is often chance

function movement(line) {
  if (line.new) return ["new", words.new, words.new];
  if (line.change === null) return ["", "", ""];
  if (line.change > 0) return ["up", `▲${line.change}`, words.up.replace("{n}", line.change)];
  if (line.change < 0) return ["down", `▼${-line.change}`, words.down.replace("{n}", -line.change)];
  return ["same", "", words.same];
}

function fill(row, line) {
  const part = (name) => row.querySelector(`[data-f="${name}"]`);
  const [kind, arrow, moved] = movement(line);
  row.dataset.hue = line.hue;
  setText(part("rank"), String(line.rank));
  part("arrow").className = kind;
  setText(part("arrow"), arrow);
  setText(part("moved"), moved);
  setText(part("shown"), line.shown);
  setText(part("tweets"), number(line.tweets));
  part("bar").setAttribute("width", `${line.width}%`);
  setText(part("velocity"), number(line.velocity, 2));
  part("score").className = line.score >= REMARKABLE ? "up" : line.score <= -REMARKABLE ? "down" : "";
  setText(part("score"), line.score === null ? "–" : signed(line.score, 1));
  setText(part("gain"), line.gain === null ? "" : `${signed(line.gain, 2)} ${words.a_second}`);
  part("spark").setAttribute("points", line.spark);
}

let drawn = []; // the hashtag of each row

// A row stays in its place and gets another hashtag, so that a screen reader does not lose its own; only the picture moves.
function drawRows(lines) {
  const body = find("rows");
  const before = new Map(drawn.map((tag, place) => [tag, body.children[place]?.getBoundingClientRect().top]));
  while (body.children.length > lines.length) body.lastElementChild.remove();
  while (body.children.length < lines.length) body.append(find("row").content.firstElementChild.cloneNode(true));
  lines.forEach((line, place) => fill(body.children[place], line));
  drawn = lines.map((line) => line.tag);
  if (reduced.matches) return;
  drawn.forEach((tag, place) => {
    const row = body.children[place];
    const moved = before.get(tag) === undefined ? 0 : before.get(tag) - row.getBoundingClientRect().top;
    if (Math.abs(moved) > 1) {
      row.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }], { duration: 400, easing: "ease-out" });
    }
  });
}

export function drawRanking(ranking) {
  nameAll("w", ranking.seconds);
  setText(find("window-date"), ranking.date);
  setText(find("window-label"), ranking.label);
  const badge = find("window-status");
  badge.dataset.state = ranking.status;
  setText(badge, words[ranking.status]);
  setText(find("window-hint"), ofLength(`${ranking.status}_hint`, ranking.seconds));
  setText(find("sum-tweets"), number(ranking.tweets));
  setText(find("sum-tweets-word"), counted("tweets", ranking.tweets).toLowerCase());
  setText(find("sum-hashtags"), number(ranking.hashtags));
  setText(find("sum-hashtags-word"), counted("hashtags", ranking.hashtags));
  for (const kind of ["csv", "json"]) find(kind).href = `/windows/${ranking.start}.${kind}${ranking.query}`;
  show(document.querySelector(".downloads"), ranking.start !== null);
  show(find("waiting"), ranking.rows.length === 0);
  for (const each of document.querySelectorAll("#ranking table, #ranking .note")) show(each, ranking.rows.length > 0);
  drawRows(ranking.rows);
}

export function drawSlide(slide) {
  const filled = slide.rows.length > 0;
  for (const each of [find("slide-title"), document.querySelector("#slide caption")]) setText(each, words[slide.title]);
  setText(find("slide-label"), slide.label);
  setText(find("slide-hint"), words[slide.hint]);
  const badge = find("slide-status");
  badge.dataset.state = slide.status;
  setText(badge, words[slide.status]);
  show(badge, filled);
  setText(find("slide-tweets"), number(slide.tweets));
  setText(find("slide-tweets-word"), counted("tweets", slide.tweets).toLowerCase());
  show(find("slide-since"), slide.since !== "");
  setText(find("slide-since"), words.slide_since.replace("{time}", slide.since));
  show(find("slide-pruned"), slide.pruned > 0);
  setText(find("slide-pruned"), words.slide_pruned.replace("{n}", slide.pruned));
  for (const each of document.querySelectorAll("#slide table, #slide table ~ p")) show(each, filled);
  [...find("slide-rows").rows].forEach((row, place) => {
    const line = slide.rows[place];
    show(row, Boolean(line));
    if (!line) return;
    row.dataset.hue = line.hue;
    setText(row.cells[0], String(line.rank));
    setText(row.querySelector("bdi"), line.shown);
    setText(row.querySelector(".count span"), number(line.tweets));
    row.querySelector("rect").setAttribute("width", `${line.width}%`);
    setText(row.cells[3], line.not_kept ? words.not_kept.replace("{n}", line.not_kept) : "");
  });
}

export function drawTrends(trends) {
  nameAll("t", trends.seconds);
  show(find("trends-empty"), trends.lines.length === 0);
  show(find("trends"), trends.lines.length > 0);
  setText(find("trends-highest"), number(trends.highest));
  setText(find("trends-from"), trends.from);
  setText(find("trends-to"), trends.to);
  const lines = document.querySelectorAll(".chart polyline");
  [...find("legend").rows].forEach((row, place) => {
    const line = trends.lines[place];
    lines[place].setAttribute("points", line ? line.points : "");
    show(row, Boolean(line));
    if (!line) return;
    row.dataset.hue = lines[place].dataset.hue = line.hue;
    setText(row.querySelector("bdi"), line.shown);
    ["last", "most", "total"].forEach((name, cell) => setText(row.cells[cell + 1], number(line[name])));
  });
}
