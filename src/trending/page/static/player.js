// Plays a recording: pause, slider, ten times as fast. Each viewer plays alone; the server only gave the file.

import { find, setText, words } from "./state.js";

const STEP = 100; // milliseconds

function read(text) {
  const lines = text.split("\n").map((line) => JSON.parse(line));
  const begin = lines[0].at;
  return lines.map((line) => ({ after: line.at - begin, sections: line.sections }));
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

export async function play(apply) {
  const lines = read(await (await fetch("/recording")).text());
  const slider = find("position");
  const length = lines.at(-1).after;
  slider.max = Math.ceil(length);
  let position = 0;
  let next = 1; // the first line is the first paint
  let stands = false;

  const told = () => {
    slider.value = position;
    slider.setAttribute("aria-valuetext", `${clock(position)} / ${clock(length)}`);
    setText(find("played-at"), `${clock(position)} / ${clock(length)}`);
  };
  const advance = (changed) => {
    for (; next < lines.length && lines[next].after <= position; next += 1) Object.assign(changed, lines[next].sections);
    if (Object.keys(changed).length) apply(changed);
    told();
  };
  const pause = (stand) => {
    stands = stand;
    setText(find("play"), stands ? words.resume : words.pause);
  };
  find("play").addEventListener("click", () => {
    if (stands && position >= length) seek(0);
    pause(!stands);
  });
  function seek(to) {
    position = to;
    next = 1;
    advance({ ...lines[0].sections });
  }
  slider.addEventListener("input", () => seek(Number(slider.value)));
  let before = performance.now();
  setInterval(() => {
    const now = performance.now();
    const passed = ((now - before) / 1000) * Number(find("speed").value);
    before = now;
    if (stands) return;
    position = Math.min(length, position + passed);
    advance({});
    if (position >= length) pause(true);
  }, STEP);
  pause(false);
  told();
}
