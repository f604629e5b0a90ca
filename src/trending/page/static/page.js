// The page's script: hears what changed, draws it. Hashtags are only ever set as text.
"use strict";

const LOST_AFTER = 6000; // the server gives a sign of life every two seconds
const ERROR_GRACE = 1500; // a connection that is made anew at once is no news
const ANNOUNCE_AFTER = 10000;
const REFRESH_PAST = 5000;
const REMARKABLE = 3; // standard deviations; less is often chance

const state = JSON.parse(document.body.dataset.state);
const { words, language, sections } = state;
const find = (id) => document.getElementById(id);
const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const formats = [0, 1, 2].map(
  (digits) => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }),
);
const number = (value, digits = 0) => formats[digits].format(value);
const signs = [0, 1, 2].map(
  (digits) =>
    new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "exceptZero" }),
);
const signed = (value, digits) => signs[digits].format(value);
const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
const MINUTE = 60; // windows of another length have words of their own
const ofLength = (name, seconds) => (seconds === MINUTE ? words[name] : words[`other_${name}`] ?? words[name]).replaceAll("{n}", seconds);
const nameAll = (which, seconds) => {
  for (const element of document.querySelectorAll(`[data-${which}]`)) setText(element, ofLength(element.dataset[which], seconds));
};
const show = (element, visible) => {
  if (element.hidden === visible) element.hidden = !visible;
};

let paused = false;
let past = null; // the ranking section of the earlier window that is looked at, once it is here
let drawn = new Map(); // hashtag → row
// The choice and not what was fetched for it: the live ranking must not flash up while that is on its way.
const lookingBack = () => find("window").value !== "";

// --- drawing -------------------------------------------------------------------------------------------------------------

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
  setText(part("gain"), line.gain === null ? "" : `${signed(line.gain, 2)}/s`);
  part("spark").setAttribute("points", line.spark);
}

function drawRows(lines) {
  const body = find("rows");
  const before = new Map([...drawn].map(([tag, row]) => [tag, row.getBoundingClientRect().top]));
  const rows = new Map();
  for (const line of lines) {
    const row = drawn.get(line.tag) ?? find("row").content.firstElementChild.cloneNode(true);
    fill(row, line);
    rows.set(line.tag, row);
  }
  const order = [...rows.values()];
  if (order.length !== body.children.length || order.some((row, place) => body.children[place] !== row)) {
    body.replaceChildren(...order);
  }
  drawn = rows;
  if (reduced.matches) return;
  for (const [tag, row] of rows) {
    const moved = before.has(tag) ? before.get(tag) - row.getBoundingClientRect().top : 0;
    if (Math.abs(moved) > 1) {
      row.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }], { duration: 400, easing: "ease-out" });
    }
  }
}

function drawRanking(ranking) {
  nameAll("w", ranking.seconds);
  setText(find("window-date"), ranking.date);
  setText(find("window-label"), ranking.label);
  const badge = find("window-status");
  badge.dataset.state = ranking.status;
  setText(badge, words[ranking.status]);
  setText(find("window-hint"), ofLength(`${ranking.status}_hint`, ranking.seconds));
  setText(find("sum-tweets"), number(ranking.tweets));
  setText(find("sum-hashtags"), number(ranking.hashtags));
  for (const kind of ["csv", "json"]) find(kind).href = `/windows/${ranking.start}.${kind}${ranking.query}`;
  show(document.querySelector(".downloads"), ranking.start !== null);
  show(find("waiting"), ranking.rows.length === 0);
  for (const each of document.querySelectorAll("#ranking table, #ranking .note")) show(each, ranking.rows.length > 0);
  drawRows(ranking.rows);
}

function drawSlide(slide) {
  const filled = slide.rows.length > 0;
  for (const each of [find("slide-title"), document.querySelector("#slide caption")]) setText(each, words[slide.title]);
  setText(find("slide-label"), slide.label);
  setText(find("slide-hint"), words[slide.hint]);
  const badge = find("slide-status");
  badge.dataset.state = slide.status;
  setText(badge, words[slide.status]);
  show(badge, filled);
  setText(find("slide-tweets"), number(slide.tweets));
  show(find("slide-since"), slide.since !== "");
  setText(find("slide-since"), words.slide_since.replace("{time}", slide.since));
  show(find("slide-pruned"), slide.pruned > 0);
  setText(find("slide-pruned"), words.slide_pruned.replace("{n}", slide.pruned));
  for (const each of document.querySelectorAll("#slide table, #slide table ~ p")) show(each, filled);
  [...find("slide-rows").rows].forEach((row, place) => {
    const line = slide.rows[place];
    show(row, Boolean(line));
    if (!line) return;
    setText(row.cells[0], String(line.rank));
    setText(row.querySelector("bdi"), line.shown);
    setText(row.querySelector(".count span"), number(line.tweets));
    row.querySelector("rect").setAttribute("width", `${line.width}%`);
    setText(row.cells[3], line.not_kept ? words.not_kept.replace("{n}", line.not_kept) : "");
  });
}

function drawTrends(trends) {
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
    setText(row.querySelector("bdi"), line.shown);
    ["last", "most", "total"].forEach((name, cell) => setText(row.cells[cell + 1], number(line[name])));
  });
}

function drawPipeline(pipeline) {
  for (const element of document.querySelectorAll("[data-p]")) {
    const [stage, figure] = element.dataset.p.split(".");
    const value = pipeline[stage][figure];
    setText(element, typeof value === "number" ? number(value, Number(element.dataset.digits)) : value || "–");
  }
  for (const element of document.querySelectorAll("[data-health]")) {
    const health = pipeline[element.dataset.health].health;
    element.dataset.state = health;
    setText(element, words[health === "stale" ? "stale_part" : health]);
  }
}

function drawHistory(history) {
  const select = find("window");
  const wanted = ["", ...history.map((each) => String(each.start))];
  // A window that is looked at stays, though it is older than an hour by now.
  if (!wanted.includes(select.value)) wanted.push(select.value);
  const known = new Map([...select.options].map((option) => [option.value, option]));
  for (const each of history) {
    if (!known.has(String(each.start))) known.set(String(each.start), new Option(each.label, each.start));
  }
  const chosen = select.value;
  select.replaceChildren(...wanted.map((value) => known.get(value)));
  select.value = chosen;
}

function drawStale(since) {
  show(find("stale"), since !== "");
  if (since) setText(find("stale"), words.stale.replace("{time}", since));
}

const draw = {
  ranking: () => {
    if (!lookingBack()) drawRanking(sections.ranking);
  },
  slide: () => drawSlide(sections.slide),
  trends: () => drawTrends(sections.trends),
  pipeline: () => drawPipeline(sections.pipeline),
  history: () => drawHistory(sections.history),
};

// --- what is said aloud ----------------------------------------------------------------------------------------------------

let announced = "";
let announcedAt = 0;

function announce() {
  const [leader] = sections.ranking.rows;
  const { status, label } = sections.ranking;
  const news = `${leader?.tag}|${status}|${label}`;
  if (paused || lookingBack() || !leader || news === announced || Date.now() - announcedAt < ANNOUNCE_AFTER) return;
  announced = news;
  announcedAt = Date.now();
  const leads = words.leader.replace("{tag}", leader.shown).replace("{n}", number(leader.tweets));
  setText(find("announcement"), `${label}, ${words[status]}: ${leads}`);
}

// --- pause and history -----------------------------------------------------------------------------------------------------

function pause(stand) {
  paused = stand;
  setText(find("pause"), paused ? words.resume : words.pause);
  show(find("paused"), paused);
  if (!paused) for (const name of Object.keys(draw)) draw[name]();
}

let fetchedAt = 0;

async function lookBack() {
  const start = find("window").value;
  if (!lookingBack()) {
    past = null;
    drawRanking(sections.ranking);
    return;
  }
  fetchedAt = Date.now();
  const answer = await fetch(`/past/${start}`).catch(() => null);
  if (!answer?.ok || find("window").value !== start) return;
  past = await answer.json();
  drawRanking(past);
}

function changeWindow() {
  const start = find("window").value;
  history.replaceState(null, "", start ? `?window=${encodeURIComponent(start)}` : location.pathname);
  lookBack();
}

// --- the connection --------------------------------------------------------------------------------------------------------

let heard = Date.now();
let failing = 0; // since when, while there is no connection

function alive() {
  heard = Date.now();
  failing = 0;
  show(find("lost"), false);
}

function watch() {
  const now = Date.now();
  if (now - heard > LOST_AFTER || (failing && now - failing > ERROR_GRACE)) {
    const time = new Date(heard).toLocaleTimeString(language);
    setText(find("lost"), words.lost.replace("{time}", time));
    show(find("lost"), true);
  }
}

function update(event) {
  alive();
  const changed = JSON.parse(event.data);
  Object.assign(sections, changed);
  drawStale(sections.pipeline.stale_since);
  if (paused) return;
  for (const name of Object.keys(changed)) draw[name]?.();
  announce();
  if (past && past.status !== "final" && Date.now() - fetchedAt > REFRESH_PAST) lookBack();
}

function connect() {
  const events = new EventSource("/events");
  events.addEventListener("open", alive);
  events.addEventListener("beat", alive);
  events.addEventListener("update", update);
  events.addEventListener("error", () => {
    failing ||= Date.now();
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  });
}

// The select acts at once, so its button is for those without script only.
show(find("show"), false);
show(find("pause"), true);
find("pause").addEventListener("click", () => pause(!paused));
find("window").addEventListener("change", changeWindow);
if (lookingBack()) lookBack();
else drawRanking(sections.ranking);
setInterval(watch, 500);
connect();
