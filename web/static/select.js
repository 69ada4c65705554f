// Selects several photos: a click on the corner, a long press, space or x begins; shift and a click take all between.
// The selection stays through scrolling, a look at one photo and the next search, until it is cleared; each tab has its
// own.

import { $, $$, base, page } from "./page.js";

const STORED = "selected";
const ACTIVE = "selecting"; // on the page with check boxes, which works without the script
const CORNER_PX = 44;
const PRESS_MS = 450;
const MOVED_PX = 10;

const bar = $("#selecting");
const results = $("#results");
const texts = bar.dataset;
const list = $("[name=id]", bar);
const numbers = new Intl.NumberFormat(document.documentElement.dataset.locale);

const selected = new Set((sessionStorage.getItem(STORED) ?? "").split(" ").filter(Boolean));
let active = selected.size > 0 || sessionStorage.getItem(ACTIVE) !== null;
let last = null; // the photo that a range begins at
let focusBefore = null; // from which tile the bar was reached
let press = null;
let longPressed = false; // a long press is no click as well
let isOpening = false;

// ---------------------------------------------------------------- what is seen

const idOf = (tile) => tile.id.slice(2);
const tiles = () => $$("#grid a.tile");
const tileOf = (event) => event.target.closest?.("#results a.tile");
const withCount = (text, count) => text.replace("{}", numbers.format(count));

function markTile(tile) {
  if (active) {
    const checked = String(selected.has(idOf(tile)));
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
  shown.forEach(markTile);
  page.toggle("selecting", active);
  bar.hidden = !active;
  const link = $("[data-select]", results);
  link?.setAttribute("role", "button");
  link?.setAttribute("aria-pressed", String(active));
  if (!active) return;
  const elsewhere = selected.size - shown.filter((tile) => selected.has(idOf(tile))).length;
  setStatus([withCount(texts.announcement, selected.size), elsewhere ? withCount(texts.elsewhere, elsewhere) : ""]);
  for (const button of $$("[type=submit]", bar)) button.disabled = !selected.size;
  $("[data-action=all]", bar).disabled = !shown.some((tile) => !selected.has(idOf(tile)));
}

function setStatus([first, more = ""]) {
  const [count, rest] = $("[role=status]", bar).children;
  if (count.textContent !== first) count.textContent = first;
  if (rest.textContent !== more) rest.textContent = more;
}

// ---------------------------------------------------------------- what is selected

function store() {
  sessionStorage.setItem(STORED, [...selected].join(" "));
  draw();
}

function selectTiles(chosenTiles, wanted = true) {
  active = true;
  for (const tile of chosenTiles) {
    if (!wanted) selected.delete(idOf(tile));
    else if (selected.size < Number(texts.most)) selected.add(idOf(tile));
  }
  store();
  if (wanted && chosenTiles.some((tile) => !selected.has(idOf(tile)))) setStatus([texts.full]);
}

function toggle(tile, range) {
  const shown = tiles();
  const from = range ? shown.findIndex((one) => idOf(one) === last) : -1;
  const to = shown.indexOf(tile);
  if (from >= 0) selectTiles(shown.slice(Math.min(from, to), Math.max(from, to) + 1), selected.has(last));
  else {
    last = idOf(tile);
    selectTiles([tile], !selected.has(last));
  }
}

function activate() {
  active = true;
  draw();
}

function deactivate() {
  const within = bar.contains(document.activeElement);
  active = false;
  last = null;
  selected.clear();
  store();
  if (within) (focusBefore?.isConnected ? focusBefore : $("[data-select]", results) ?? $("#q")).focus();
}

// ---------------------------------------------------------------- pointers

// Where the mark is drawn: the corner in which a line begins.
function isOnMark(event, tile) {
  if (!event.detail || event.pointerType === "touch") return false;
  const box = tile.getBoundingClientRect();
  const across = document.dir === "rtl" ? box.right - event.clientX : event.clientX - box.left;
  return across < CORNER_PX && event.clientY - box.top < CORNER_PX;
}

function onClick(event) {
  if (event.button || event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.target.closest?.("[data-select]")) {
    event.preventDefault();
    active ? deactivate() : activate();
  }
  const tile = tileOf(event);
  if (!tile || isOpening || !(active || longPressed || isOnMark(event, tile))) return;
  event.preventDefault();
  if (!longPressed) toggle(tile, event.shiftKey);
  longPressed = false;
}

function onPointerdown(event) {
  longPressed = false;
  cancelPress();
  const tile = event.pointerType === "mouse" ? null : tileOf(event);
  if (!tile) return;
  press = { tile, x: event.clientX, y: event.clientY };
  press.timer = setTimeout(() => {
    longPressed = true;
    toggle(tile, false);
  }, PRESS_MS);
}

function cancelPress() {
  clearTimeout(press?.timer);
  press = null;
}

function onPointermove(event) {
  if (press && Math.hypot(event.clientX - press.x, event.clientY - press.y) > MOVED_PX) cancelPress();
}

// ---------------------------------------------------------------- keys

function onKeydown(event) {
  if (event.altKey) return;
  const tile = tileOf(event);
  if ((event.ctrlKey || event.metaKey) && active && tile && event.key === "a") selectTiles(tiles());
  else if (event.ctrlKey || event.metaKey) return;
  else if (tile && (event.key === " " || event.key.toLowerCase() === "x")) toggle(tile, event.shiftKey);
  else if (active && tile && event.key === "Enter") open(tile);
  else if (active && event.key === "Escape" && !$("#filters details[open], dialog[open]") && event.target.id !== "q") deactivate();
  else if (active && event.key === "Tab" && moveFocus(event, tile)) focusBefore = tile ?? focusBefore;
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function open(tile) {
  isOpening = true;
  tile.click();
  isOpening = false;
}

// Moves the focus to the bar without passing the photos in between.
function moveFocus(event, tile) {
  const to = tile && !event.shiftKey ? first() : event.shiftKey && event.target === first() && focusBefore?.isConnected ? focusBefore : null;
  to?.focus();
  return Boolean(to);
}

const first = () => $("button:not(:disabled), a", bar);

// ---------------------------------------------------------------- actions on the selection

function onSubmit(event) {
  list.value = [...selected].join(" ");
  if (event.submitter?.dataset.action === "captions") {
    event.preventDefault();
    copyCaptions();
  } else setStatus([withCount(texts.packing, selected.size)]);
}

async function fetchCaptions() {
  const response = await fetch(`${base}/captions`, { method: "POST", body: new URLSearchParams(new FormData(bar)) });
  if (!response.headers.get("Content-Type")?.startsWith("text/plain")) throw new Error(`status ${response.status}`);
  return response.text();
}

async function copyCaptions() {
  const text = fetchCaptions();
  try {
    await (clipboard(text) ?? copyFromField(await text));
  } catch {
    try {
      await copyFromField(await text);
    } catch {
      setStatus([texts.failed]);
    }
  }
}

// Takes a promise of the text: the browser's permission that a click gives soon ends.
function clipboard(text) {
  if (!navigator.clipboard?.write) return null; // as in every page without TLS
  const item = new ClipboardItem({ "text/plain": text.then((found) => new Blob([found], { type: "text/plain" })) });
  return navigator.clipboard.write([item]).then(() => setStatus([withCount(texts.copied, selected.size)]));
}

function copyFromField(text) {
  const box = $("#captions");
  const field = $("textarea", box);
  field.value = text;
  box.showModal();
  field.select();
  if (!document.execCommand("copy")) return;
  box.close();
  setStatus([withCount(texts.copied, selected.size)]);
}

// ---------------------------------------------------------------- begin

function leaveFormPage() {
  const address = new URL(location.href);
  address.searchParams.delete("select");
  sessionStorage.setItem(ACTIVE, "");
  location.replace(address);
}

function start() {
  sessionStorage.removeItem(ACTIVE);
  document.addEventListener("click", onClick, true);
  document.addEventListener("keydown", onKeydown, true);
  document.addEventListener("pointerdown", onPointerdown);
  document.addEventListener("pointermove", onPointermove);
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, cancelPress);
  document.addEventListener("contextmenu", (event) => (longPressed || press) && tileOf(event) && event.preventDefault());
  bar.addEventListener("submit", onSubmit);
  $("[data-action=all]", bar).addEventListener("click", () => selectTiles(tiles()));
  $("[data-action=clear]", bar).addEventListener("click", (event) => {
    event.preventDefault();
    deactivate();
  });
  new MutationObserver(draw).observe(results, { childList: true, subtree: true });
  draw();
}

if (new URL(location.href).searchParams.has("select")) leaveFormPage();
else start();
