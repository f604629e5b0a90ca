// What every part of the page's script uses: the data of the first paint, numbers and words in the page's language.

const state = JSON.parse(document.body.dataset.state);
export const { words, language, sections } = state;
export const find = (id) => document.getElementById(id);
export const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const formats = [0, 1, 2].map(
  (digits) => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }),
);
export const number = (value, digits = 0) => formats[digits].format(value);
const signs = [0, 1, 2].map(
  (digits) =>
    new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "exceptZero" }),
);
export const signed = (value, digits) => signs[digits].format(value);
export const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
export const show = (element, visible) => {
  if (element.hidden === visible) element.hidden = !visible;
};
const MINUTE = 60; // windows of another length have words of their own
export const ofLength = (name, seconds) =>
  (seconds === MINUTE ? words[name] : words[`other_${name}`] ?? words[name]).replaceAll("{n}", seconds);
export const nameAll = (which, seconds) => {
  for (const element of document.querySelectorAll(`[data-${which}]`)) setText(element, ofLength(element.dataset[which], seconds));
};
export const counted = (name, value) => words[value === 1 ? `${name}_one` : name];
