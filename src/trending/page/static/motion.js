// What moves along the pipeline: sampled tweets, those typed by hand, Kafka's backlog, the ring until the next trigger.

import { counted, find, number, reduced, setText, show, words } from "./state.js";

const SVG = "http://www.w3.org/2000/svg";
const chips = new Map(); // id → element

const center = (element) => {
  const box = element.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
};

function chip(each) {
  const made = document.createElement("span");
  made.className = "chip";
  const tag = document.createElement("bdi");
  tag.textContent = each.shown;
  made.append(tag);
  return made;
}

// A chip stands with its stage; on its way there it is drawn from where it was.
function move(element, stage, from) {
  const [x, y] = center(from);
  document.querySelector(`[data-chips="${stage}"]`).append(element);
  if (reduced.matches) return;
  const [newX, newY] = center(element);
  element.animate([{ transform: `translate(${x - newX}px, ${y - newY}px)` }, { transform: "none" }], {
    duration: 900,
    easing: "ease-in-out",
  });
}

function drawChips(pipeline) {
  const typed = pipeline.by_hand.filter((each) => ["kafka", "store"].includes(each.stage)).map((each) => ({ ...each, hand: true }));
  const all = [...pipeline.samples, ...typed];
  const ids = new Set(all.map((each) => each.id));
  for (const [id, element] of chips) {
    if (ids.has(id)) continue;
    element.remove();
    chips.delete(id);
  }
  for (const each of all) {
    let element = chips.get(each.id);
    if (!element) {
      element = chip(each);
      element.classList.toggle("hand", Boolean(each.hand));
      element.dataset.hue = each.hue;
      chips.set(each.id, element);
      move(element, each.stage, document.querySelector('[data-stage-of="producer"] h3'));
    } else if (element.parentElement.dataset.chips !== each.stage) {
      move(element, each.stage, element);
    }
  }
}

function stageWords(each) {
  const reason = each.code ? words[each.code] : each.reason;
  const place = each.partition === null ? "" : words.refused_place.replace("{partition}", each.partition).replace("{offset}", each.offset);
  return [words[`hand_${each.stage}`].replace("{reason}", reason), place].filter(Boolean).join(" · ");
}

function drawByHand(typed) {
  show(find("by-hand"), typed.length > 0);
  const list = find("by-hand-list");
  while (list.children.length > typed.length) list.lastElementChild.remove();
  while (list.children.length < typed.length) {
    const item = document.createElement("li");
    item.append(document.createElement("q"), document.createElement("span"), document.createElement("span"));
    list.append(item);
  }
  typed.forEach((each, place) => {
    const item = list.children[place];
    const [text, stage, sent] = item.children;
    item.dataset.stage = each.stage;
    item.dataset.hue = each.hue;
    setText(text, each.text);
    setText(stage, stageWords(each));
    sent.className = "muted";
    setText(sent, each.sent);
  });
}

let trigger = 0;
let ahead = 0; // the server's clock less ours, milliseconds

function tick() {
  show(find("trigger"), trigger > 0);
  if (!trigger) return;
  const left = trigger - (((Date.now() + ahead) / 1000) % trigger);
  setText(find("trigger-in"), counted("trigger_in", Math.ceil(left)).replace("{n}", number(Math.ceil(left))));
  find("ring").setAttribute("stroke-dasharray", `${(100 * left) / trigger} 100`);
}

export function drawMotion(pipeline) {
  trigger = pipeline.spark.health === "well" ? pipeline.spark.trigger : 0;
  ahead = pipeline.now * 1000 - Date.now();
  tick();
  const { backlog, backlog_high: high } = pipeline.kafka;
  const height = high ? (100 * backlog) / high : 0;
  find("backlog").setAttribute("y", 100 - height);
  find("backlog").setAttribute("height", height);
  if (!pipeline.recorded) {
    drawChips(pipeline);
    drawByHand(pipeline.by_hand);
  }
}

export function drawLately(lately) {
  for (const [name, digits] of [["lag", 0], ["rate", 1]]) {
    find(`${name}-line`).setAttribute("points", lately[name]);
    setText(find(`${name}-high`), number(lately[`${name}_high`], digits));
  }
  setText(find("lately-from"), lately.from);
  setText(find("lately-to"), lately.to);
  find("bands").replaceChildren(
    ...lately.bands.flatMap((band, row) =>
      band.runs.map((run) => {
        const rect = document.createElementNS(SVG, "rect");
        const place = { x: run.x, width: run.width, y: row * 10 + 1, height: 8 };
        for (const [key, value] of Object.entries(place)) rect.setAttribute(key, value);
        rect.dataset.state = run.state;
        return rect;
      }),
    ),
  );
}

setInterval(tick, reduced.matches ? 1000 : 200);
