// The page's script: hears what changed, has it drawn.

import { drawLately, drawMotion } from "./motion.js";
import { drawPipeline, drawProof } from "./pipeline.js";
import { drawRanking, drawSlide, drawTrends } from "./ranking.js";
import { drawRibbon } from "./ribbon.js";
import { counted, find, language, number, sections, setText, show, words } from "./state.js";

const LOST_AFTER = 6000; // the server gives a sign of life every two seconds
const ERROR_GRACE = 1500; // a connection that is made anew at once is no news
const ANNOUNCE_AFTER = 10000;
const REFRESH_PAST = 5000;
const TIME_OF_DAY = 8; // characters; a longer time has its date

let paused = false;
let past = null; // the ranking section of the earlier window that is looked at, once it is here
// The choice and not what was fetched for it: the live ranking must not flash up while that is on its way.
const lookingBack = () => find("window").value !== "";

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
  const said = since.length > TIME_OF_DAY ? words.stale_dated : words.stale;
  if (since) setText(find("stale"), said.replace("{time}", since));
}

const draw = {
  ranking: () => {
    if (!lookingBack()) drawRanking(sections.ranking);
  },
  slide: () => drawSlide(sections.slide),
  trends: () => drawTrends(sections.trends),
  ribbon: () => drawRibbon(sections.ribbon),
  pipeline: () => {
    drawPipeline(sections.pipeline);
    drawMotion(sections.pipeline);
  },
  lately: () => drawLately(sections.lately),
  proof: () => drawProof(sections.proof),
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
  const leads = counted("leader", leader.tweets).replace("{tag}", leader.shown).replace("{n}", number(leader.tweets));
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
  const found = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!found || find("window").value !== start) return;
  past = found;
  drawRanking(past);
}

// Also in a lab at rest, which sends no update: the first answer may have been an error.
function refreshPast() {
  const open = past === null || (past.status !== "final" && !paused);
  if (lookingBack() && open && Date.now() - fetchedAt > REFRESH_PAST) lookBack();
}

function changeWindow() {
  const start = find("window").value;
  past = null;
  const address = new URL(location.href);
  address.searchParams.delete("window");
  if (start) address.searchParams.set("window", start);
  history.replaceState(null, "", address);
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
  apply(JSON.parse(event.data));
}

function apply(changed) {
  Object.assign(sections, changed);
  drawStale(sections.pipeline.stale_since);
  if (paused) return;
  for (const name of Object.keys(changed)) draw[name]?.();
  announce();
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
const played = "played" in document.body.dataset;
find("pause").addEventListener("click", () => pause(!paused));
find("window").addEventListener("change", changeWindow);
if (lookingBack()) lookBack();
else drawRanking(sections.ranking);
for (const name of ["ribbon", "pipeline", "lately", "proof"]) draw[name]();
if (played) {
  import("./player.js").then(({ play }) => play(apply));
} else {
  setInterval(watch, 500);
  setInterval(refreshPast, 500);
  connect();
}
