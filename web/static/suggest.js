// Suggestions while typing, as a combobox with a list (WAI-ARIA Authoring Practices). Choosing one rewrites the query
// as if it had been typed. On a telephone the list is one row of chips above the filters, so that photos stay in sight.

import { $, base, texts } from "./page.js";

const input = $("#q");
const list = document.createElement("ul");
let offered = []; // what stands in the list
let asked = ""; // for which text
let active = -1;
let running = null;

function caret() {
  return [...input.value.slice(0, input.selectionEnd ?? input.value.length)].length;
}

async function ask() {
  running?.abort();
  const text = input.value;
  const begun = text.trimStart();
  if (!begun) return close();
  const mine = (running = new AbortController());
  const at = Math.max(0, caret() - (text.length - begun.length));
  try {
    const address = `${base}/api/suggest?${new URLSearchParams({ q: begun, at })}`;
    const response = await fetch(address, { signal: mine.signal, headers: { Accept: "application/json" } });
    const told = response.ok ? (await response.json()).suggestions : [];
    if (mine === running && document.activeElement === input) show(told, text);
  } catch (error) {
    if (error.name !== "AbortError") close();
  }
}

function show(suggestions, text) {
  offered = suggestions;
  asked = text;
  list.replaceChildren(...suggestions.map(option));
  list.hidden = !suggestions.length;
  list.scrollLeft = 0;
  input.setAttribute("aria-expanded", String(!list.hidden));
  choose(-1);
}

function option(one, number) {
  const item = document.createElement("li");
  item.id = `suggestion-${number}`;
  item.setAttribute("role", "option");
  item.append(Object.assign(document.createElement("bdi"), { textContent: one.text }));
  const kind = texts.kinds[one.kind]; // none of a word
  if (kind) item.append(" ", Object.assign(document.createElement("span"), { className: "kind", textContent: kind }));
  return item;
}

function choose(number) {
  active = number;
  for (const [at, item] of [...list.children].entries()) item.setAttribute("aria-selected", String(at === number));
  if (number < 0) input.removeAttribute("aria-activedescendant");
  else {
    input.setAttribute("aria-activedescendant", list.children[number].id);
    list.children[number].scrollIntoView({ block: "nearest" });
  }
}

function close() {
  running?.abort();
  show([], "");
}

function accept(number) {
  const one = offered[number];
  if (!one || asked !== input.value) return;
  close();
  input.value = one.query;
  const at = [...one.query].slice(0, one.at).join("").length;
  input.setSelectionRange(at, at);
  input.scrollLeft = input.scrollWidth;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

// What is done here is not done again by the page's own keys.
function pressed(event) {
  if (list.hidden || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
  const steps = {
    ArrowDown: () => (active + 1 < offered.length ? choose(active + 1) : close()), // and on into the photos
    ArrowUp: () => choose(active < 0 ? offered.length - 1 : active - 1),
    Enter: () => (active < 0 ? close() : accept(active)),
    Escape: close,
  };
  const step = steps[event.key];
  if (!step) return;
  const goesOn = (event.key === "ArrowDown" && active + 1 >= offered.length) || (event.key === "Enter" && active < 0);
  step();
  if (goesOn) return;
  event.preventDefault();
  event.stopPropagation();
}

if (input) {
  list.id = "suggestions";
  list.className = "suggestions";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", texts.suggestions);
  input.form.append(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "suggestions" })) input.setAttribute(name, value);
  input.addEventListener("input", (event) => event.isComposing || ask());
  input.addEventListener("compositionend", ask);
  input.addEventListener("keydown", pressed);
  input.addEventListener("blur", close);
  // The cursor stays in the box, and a finger may push the row along.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => accept([...list.children].indexOf(event.target.closest("li"))));
}
