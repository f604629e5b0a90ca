// The pipeline's stages, and the strip that says whether the figures agree.

import { find, number, setText, show, words } from "./state.js";

export function drawPipeline(pipeline) {
  for (const element of document.querySelectorAll("[data-p]")) {
    const [stage, figure] = element.dataset.p.split(".");
    const value = pipeline[stage][figure];
    setText(element, typeof value === "number" ? number(value, Number(element.dataset.digits)) : value || "–");
  }
  for (const element of document.querySelectorAll("[data-health]")) {
    const health = pipeline[element.dataset.health].health;
    element.dataset.state = health;
    setText(element, words[health === "stale" ? "stale_part" : health]);
    element.closest("li").dataset.is = health;
  }
  for (const element of document.querySelectorAll("[data-back]")) {
    const { back, who } = pipeline[element.dataset.back];
    show(element, Boolean(back));
    if (back) setText(element, (who ? `${who}: ` : "") + words[back]);
  }
}

export function drawProof(proof) {
  find("proof").dataset.state = proof.state;
  for (const name of ["acknowledged", "counted", "in_flight"]) {
    setText(find(`proof-${name}`), proof[name] === null ? "–" : number(proof[name]));
  }
  const odd = proof.state === "more" ? proof.more : proof.missing;
  setText(find("proof-verdict"), words[`proof_${proof.state}`].replace("{n}", number(odd)));
  setText(find("proof-lost"), words[proof.proved ? "proved" : "unproved"].replace("{time}", proof.proved));
}
