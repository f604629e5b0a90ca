"use strict";
const slides = [...document.querySelectorAll(".slide")];
const place = document.getElementById("place");
let shown = 0;
function show(number, focus) {
  shown = Math.max(0, Math.min(slides.length - 1, number));
  slides.forEach((slide, index) => { slide.hidden = index !== shown; });
  place.textContent = `${shown + 1} / ${slides.length}`;
  history.replaceState(null, "", `#${shown + 1}`);
  window.scrollTo(0, 0);
  if (focus) slides[shown].querySelector("h2").focus();
}
function asked() {
  // A number and no id: nothing for the browser to scroll to by itself.
  return Number(location.hash.slice(1) || 1) - 1 || 0;
}
const keys = {
  ArrowRight: () => shown + 1, ArrowDown: () => shown + 1, PageDown: () => shown + 1, " ": () => shown + 1,
  ArrowLeft: () => shown - 1, ArrowUp: () => shown - 1, PageUp: () => shown - 1,
  Home: () => 0, End: () => slides.length - 1,
};
document.addEventListener("keydown", (event) => {
  const wanted = event.key === " " && event.shiftKey ? keys.ArrowLeft : keys[event.key];
  const pressed = event.key === " " && event.target instanceof HTMLButtonElement;
  if (!wanted || pressed || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  show(wanted(), true);
});
document.getElementById("before").addEventListener("click", () => show(shown - 1, false));
document.getElementById("after").addEventListener("click", () => show(shown + 1, false));
window.addEventListener("hashchange", () => show(asked(), true));
document.getElementById("controls").hidden = false;
document.documentElement.classList.add("shown");
show(asked(), false);
