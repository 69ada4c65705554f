// Suggestions while typing, as a combobox with a list (WAI-ARIA Authoring Practices). Choosing one rewrites the query
// as if it had been typed. On a telephone the list is one row of chips above the filters, so that photos stay in sight.

import { $, base, texts } from "./page.js";

const input = $("#q");
const list = document.createElement("ul");
let offers = []; // the list's entries
let offeredFor = ""; // for which text
let active = -1;
let running = null;

function caret() {
  return [...input.value.slice(0, input.selectionEnd ?? input.value.length)].length;
}

async function fetchSuggestions() {
  running?.abort();
  const text = input.value;
  const query = text.trimStart();
  if (!query) return close();
  const current = (running = new AbortController());
  const at = Math.max(0, caret() - (text.length - query.length));
  try {
    const address = `${base}/api/suggest?${new URLSearchParams({ q: query, at })}`;
    const response = await fetch(address, { signal: current.signal, headers: { Accept: "application/json" } });
    const suggestions = response.ok ? (await response.json()).suggestions : [];
    if (current === running && document.activeElement === input) show(suggestions, text);
  } catch (error) {
    if (error.name !== "AbortError") close();
  }
}

function show(suggestions, text) {
  offers = suggestions;
  offeredFor = text;
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
  const one = offers[number];
  if (!one || offeredFor !== input.value) return;
  close();
  input.value = one.query;
  const at = [...one.query].slice(0, one.at).join("").length;
  input.setSelectionRange(at, at);
  input.scrollLeft = input.scrollWidth;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

// What is done here is not done again by the page's own keys.
function onKeydown(event) {
  if (list.hidden || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
  const steps = {
    ArrowDown: () => (active + 1 < offers.length ? choose(active + 1) : close()), // and on into the photos
    ArrowUp: () => choose(active < 0 ? offers.length - 1 : active - 1),
    Enter: () => (active < 0 ? close() : accept(active)),
    Escape: close,
  };
  const step = steps[event.key];
  if (!step) return;
  const passedOn = (event.key === "ArrowDown" && active + 1 >= offers.length) || (event.key === "Enter" && active < 0);
  step();
  if (passedOn) return;
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
  input.addEventListener("input", (event) => event.isComposing || fetchSuggestions());
  input.addEventListener("compositionend", fetchSuggestions);
  input.addEventListener("keydown", onKeydown);
  input.addEventListener("blur", close);
  // The cursor stays in the box, and the row can be scrolled by touch.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => accept([...list.children].indexOf(event.target.closest("li"))));
}
