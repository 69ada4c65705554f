// Several photos at once: a corner, a long press, space or x begins; shift and a click take all between. What is selected
// stays through scrolling, a look at one photo and the next search, until it is cleared; each tab has its own.

import { $, $$, base, page } from "./page.js";

const STORED = "selected";
const BEGUN = "selecting"; // on a page of boxes, which is for who has no script
const CORNER_PX = 44;
const PRESS_MS = 450;
const MOVED_PX = 10;

const bar = $("#selecting");
const results = $("#results");
const words = bar.dataset;
const list = $("[name=id]", bar);
const numbers = new Intl.NumberFormat(document.documentElement.dataset.locale);

const picked = new Set((sessionStorage.getItem(STORED) ?? "").split(" ").filter(Boolean));
let on = picked.size > 0 || sessionStorage.getItem(BEGUN) !== null;
let last = null; // the photo that a range begins at
let came = null; // from which tile the bar was reached
let press = null;
let held = false; // a long press is no click as well
let opening = false;

// ---------------------------------------------------------------- what is seen

const idOf = (tile) => tile.id.slice(2);
const tiles = () => $$("#grid a.tile");
const tileOf = (event) => event.target.closest?.("#results a.tile");
const say = (text, count) => text.replace("{}", numbers.format(count));

function mark(tile) {
  if (on) {
    const checked = String(picked.has(idOf(tile)));
    if (tile.getAttribute("aria-checked") === checked) return;
    tile.setAttribute("role", "checkbox");
    tile.setAttribute("aria-checked", checked);
  } else if (tile.hasAttribute("role")) {
    tile.removeAttribute("role");
    tile.removeAttribute("aria-checked");
  }
}

function draw() {
  const shown = tiles();
  shown.forEach(mark);
  page.toggle("selecting", on);
  bar.hidden = !on;
  const link = $("[data-select]", results);
  link?.setAttribute("role", "button");
  link?.setAttribute("aria-pressed", String(on));
  if (!on) return;
  const elsewhere = picked.size - shown.filter((tile) => picked.has(idOf(tile))).length;
  tell([say(words.said, picked.size), elsewhere ? say(words.elsewhere, elsewhere) : ""]);
  for (const button of $$("[type=submit]", bar)) button.disabled = !picked.size;
  $("[data-do=all]", bar).disabled = !shown.some((tile) => !picked.has(idOf(tile)));
}

function tell([first, more = ""]) {
  const [count, rest] = $("[role=status]", bar).children;
  if (count.textContent !== first) count.textContent = first;
  if (rest.textContent !== more) rest.textContent = more;
}

// ---------------------------------------------------------------- what is selected

function keep() {
  sessionStorage.setItem(STORED, [...picked].join(" "));
  draw();
}

function pick(chosen, wanted = true) {
  on = true;
  for (const tile of chosen) {
    if (!wanted) picked.delete(idOf(tile));
    else if (picked.size < Number(words.most)) picked.add(idOf(tile));
  }
  keep();
  if (wanted && chosen.some((tile) => !picked.has(idOf(tile)))) tell([words.full]);
}

function toggle(tile, range) {
  const shown = tiles();
  const from = range ? shown.findIndex((one) => idOf(one) === last) : -1;
  const to = shown.indexOf(tile);
  if (from >= 0) pick(shown.slice(Math.min(from, to), Math.max(from, to) + 1), picked.has(last));
  else {
    last = idOf(tile);
    pick([tile], !picked.has(last));
  }
}

function begin() {
  on = true;
  draw();
}

function finish() {
  const within = bar.contains(document.activeElement);
  on = false;
  last = null;
  picked.clear();
  keep();
  if (within) (came?.isConnected ? came : $("[data-select]", results) ?? $("#q")).focus();
}

// ---------------------------------------------------------------- pointers

// Where the mark is drawn: the corner in which a line begins.
function isOnMark(event, tile) {
  if (!event.detail || event.pointerType === "touch") return false;
  const box = tile.getBoundingClientRect();
  const across = document.dir === "rtl" ? box.right - event.clientX : event.clientX - box.left;
  return across < CORNER_PX && event.clientY - box.top < CORNER_PX;
}

function clicked(event) {
  if (event.button || event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.target.closest?.("[data-select]")) {
    event.preventDefault();
    on ? finish() : begin();
  }
  const tile = tileOf(event);
  if (!tile || opening || !(on || held || isOnMark(event, tile))) return;
  event.preventDefault();
  if (!held) toggle(tile, event.shiftKey);
  held = false;
}

function pressed(event) {
  held = false;
  letGo();
  const tile = event.pointerType === "mouse" ? null : tileOf(event);
  if (!tile) return;
  press = { tile, x: event.clientX, y: event.clientY };
  press.timer = setTimeout(() => {
    held = true;
    toggle(tile, false);
  }, PRESS_MS);
}

function letGo() {
  clearTimeout(press?.timer);
  press = null;
}

function moved(event) {
  if (press && Math.hypot(event.clientX - press.x, event.clientY - press.y) > MOVED_PX) letGo();
}

// ---------------------------------------------------------------- keys

function typed(event) {
  if (event.altKey) return;
  const tile = tileOf(event);
  if ((event.ctrlKey || event.metaKey) && on && tile && event.key === "a") pick(tiles());
  else if (event.ctrlKey || event.metaKey) return;
  else if (tile && (event.key === " " || event.key.toLowerCase() === "x")) toggle(tile, event.shiftKey);
  else if (on && tile && event.key === "Enter") open(tile);
  else if (on && event.key === "Escape" && !$("#filters details[open], dialog[open]") && event.target.id !== "q") finish();
  else if (on && event.key === "Tab" && hop(event, tile)) came = tile ?? came;
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function open(tile) {
  opening = true;
  tile.click();
  opening = false;
}

// Ten thousand photos are not to stand between the one that has the focus and the bar.
function hop(event, tile) {
  const to = tile && !event.shiftKey ? first() : event.shiftKey && event.target === first() && came?.isConnected ? came : null;
  to?.focus();
  return Boolean(to);
}

const first = () => $("button:not(:disabled), a", bar);

// ---------------------------------------------------------------- what becomes of them

function submitted(event) {
  list.value = [...picked].join(" ");
  if (event.submitter?.dataset.do === "captions") {
    event.preventDefault();
    copyCaptions();
  } else tell([say(words.packing, picked.size)]);
}

async function fetchCaptions() {
  const response = await fetch(`${base}/captions`, { method: "POST", body: new URLSearchParams(new FormData(bar)) });
  if (!response.headers.get("Content-Type")?.startsWith("text/plain")) throw new Error(`status ${response.status}`);
  return response.text();
}

async function copyCaptions() {
  const text = fetchCaptions();
  try {
    await (clipboard(text) ?? byHand(await text));
  } catch {
    try {
      await byHand(await text);
    } catch {
      tell([words.failed]);
    }
  }
}

// Told of the text before it is there: a browser forgets in a while that somebody pressed a button.
function clipboard(text) {
  if (!navigator.clipboard?.write) return null; // as in every page without TLS
  const item = new ClipboardItem({ "text/plain": text.then((found) => new Blob([found], { type: "text/plain" })) });
  return navigator.clipboard.write([item]).then(() => tell([say(words.copied, picked.size)]));
}

function byHand(text) {
  const box = $("#captions");
  const field = $("textarea", box);
  field.value = text;
  box.showModal();
  field.select();
  if (!document.execCommand("copy")) return;
  box.close();
  tell([say(words.copied, picked.size)]);
}

// ---------------------------------------------------------------- begin

function withoutBoxes() {
  const address = new URL(location.href);
  address.searchParams.delete("select");
  sessionStorage.setItem(BEGUN, "");
  location.replace(address);
}

function start() {
  sessionStorage.removeItem(BEGUN);
  document.addEventListener("click", clicked, true);
  document.addEventListener("keydown", typed, true);
  document.addEventListener("pointerdown", pressed);
  document.addEventListener("pointermove", moved);
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, letGo);
  document.addEventListener("contextmenu", (event) => (held || press) && tileOf(event) && event.preventDefault());
  bar.addEventListener("submit", submitted);
  $("[data-do=all]", bar).addEventListener("click", () => pick(tiles()));
  $("[data-do=clear]", bar).addEventListener("click", (event) => {
    event.preventDefault();
    finish();
  });
  new MutationObserver(draw).observe(results, { childList: true, subtree: true });
  draw();
}

if (new URL(location.href).searchParams.has("select")) withoutBoxes();
else start();
