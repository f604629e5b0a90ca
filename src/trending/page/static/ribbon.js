// The time ribbon: windows on an axis, now, the watermark, and what was refused.

import { counted, find, number, reduced, setText, words } from "./state.js";

const SVG = "http://www.w3.org/2000/svg";
const part = (name, attributes) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

function windowOf() {
  const group = part("g", {});
  const rect = part("rect", { y: "1.7em", height: "2.2em", rx: 3 });
  group.append(rect, part("text", { y: "3.15em" }), part("text", { y: "5.1em", class: "from" }));
  return group;
}

function put(name, place) {
  const line = find(`${name}-line`);
  const label = find(`${name}-label`);
  for (const each of [line, label]) each.setAttribute("visibility", place === null ? "hidden" : "visible");
  if (place === null) return;
  line.setAttribute("x1", `${place}%`);
  line.setAttribute("x2", `${place}%`);
  label.setAttribute("x", `${place}%`);
}

const reasonOf = (each) => (each.code ? words[each.code] : each.reason);
let known = null; // ids of what is listed

function entry(each) {
  const item = document.createElement("li");
  const tag = document.createElement("bdi");
  const why = document.createElement("span");
  const place = document.createElement("span");
  tag.textContent = each.shown || words.no_hashtag;
  why.textContent = ` ${reasonOf(each)} `;
  place.className = "muted";
  const said = each.said && words.refused_times.replace("{said}", each.said).replace("{appended}", each.appended);
  const where = words.refused_place.replace("{partition}", each.partition).replace("{offset}", each.offset);
  place.textContent = [each.user, said, where].filter(Boolean).join(" · ");
  item.append(tag, why, place);
  return item;
}

// A record falls from its window on the axis into the list.
function fall(item, x) {
  if (reduced.matches || x === null) return;
  const axis = find("axis").getBoundingClientRect();
  const box = item.getBoundingClientRect();
  const from = `translate(${axis.left + (axis.width * x) / 100 - box.left}px, ${axis.top + 40 - box.top}px)`;
  item.animate([{ transform: from, opacity: 0.4 }, { transform: "none", opacity: 1 }], { duration: 1200, easing: "ease-in" });
}

function drawRefused(ribbon) {
  const reasons = ribbon.reasons.map((each) => `${number(each.records)} ${reasonOf(each)}`).join("\n");
  if (find("reasons").dataset.shown !== reasons) {
    find("reasons").dataset.shown = reasons;
    find("reasons").replaceChildren(
      ...(ribbon.reasons.length
        ? ribbon.reasons.map((each) => {
            const one = document.createElement("span");
            const many = document.createElement("strong");
            many.textContent = number(each.records);
            one.append(many, ` ${reasonOf(each)}`);
            return one;
          })
        : [words.refused_none]),
    );
  }
  const ids = ribbon.refused.map((each) => each.id);
  if (known && ids.length === known.length && ids.every((id, place) => id === known[place])) return;
  const items = ribbon.refused.map(entry);
  find("refused-list").replaceChildren(...items);
  ribbon.refused.forEach((each, place) => {
    if (known && !known.includes(each.id)) fall(items[place], each.x ?? ribbon.now);
  });
  known = ids;
}

export function drawRibbon(ribbon) {
  const axis = find("axis");
  const groups = [...axis.querySelectorAll("g")];
  while (groups.length > ribbon.windows.length) groups.pop().remove();
  while (groups.length < ribbon.windows.length) {
    groups.push(windowOf());
    axis.insertBefore(groups.at(-1), find("watermark-line"));
  }
  const spoken = find("axis-words");
  while (spoken.children.length > ribbon.windows.length) spoken.lastElementChild.remove();
  while (spoken.children.length < ribbon.windows.length) spoken.append(document.createElement("li"));
  ribbon.windows.forEach((each, place) => {
    const [rect, tweets, from] = groups[place].children;
    groups[place].dataset.stage = each.stage;
    rect.setAttribute("x", `${each.x}%`);
    rect.setAttribute("width", `${each.width}%`);
    tweets.setAttribute("x", `${each.x + each.width / 2}%`);
    from.setAttribute("x", `${each.x}%`);
    setText(tweets, number(each.tweets));
    setText(from, each.label);
    const many = `${number(each.tweets)} ${counted("tweets", each.tweets).toLowerCase()}`;
    setText(spoken.children[place], `${each.from}: ${words[each.stage]}, ${many}`);
  });
  put("now", ribbon.now);
  put("watermark", ribbon.watermark);
  setText(find("now-at"), ribbon.now_at);
  setText(find("watermark-at"), ribbon.watermark_at || "–");
  drawRefused(ribbon);
}
