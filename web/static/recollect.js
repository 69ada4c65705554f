// Makes the page quick: results while typing, endless scroll, keys and swipes. Everything works without it, too:
// it only asks for parts of the same pages (?part=…) and puts them where the server would have.

import { $, $$, base, fetchPart, page, partOf, texts } from "./page.js";
import { backToPlace, followPlace, leaveEnds, pagesAround, rememberPlace, watchEnds } from "./endless.js";
import "./suggest.js";
import { putTimeLine } from "./timeline.js";

// ---------------------------------------------------------------- results

let sequence = 0;
let running = null;

const QUIET_MS = 250; // what is not seen yet, facets and the next page, is asked for when the typing pauses
const ANNOUNCE_MS = 700; // a screen reader is told what was found when the typing pauses, not with every letter
const RETRY_MS = 3000; // where the server did not answer, or said that search is not available
const STEP_MS = 1500; // a pause this long adds an entry to the history

let lastInput = -Infinity;
let facetTimer = 0;
let announceTimer = 0;

// With each letter that is `typed` comes the beginning of the page, and when the typing pauses the rest of it.
async function show(url, { place = null, filters = QUIET_MS, typed = false } = {}) {
  const current = ++sequence;
  running?.abort();
  running = new AbortController();
  clearTimeout(facetTimer); // its query is not the current one any more
  leaveEnds();
  const results = $("#results");
  results.classList.add("stale");
  try {
    const html = await fetchPart(partOf(url, typed ? "beginning" : "results", pagesAround(place)), running.signal);
    if (current !== sequence) return;
    const wasFocused = results.contains(document.activeElement); // the answer may come after the focus moved there
    setHtml(results, html);
    watchEnds(filters);
    backToPlace(place);
    if (wasFocused) ($(".tile", results) ?? $("#q")).focus();
    announceSoon();
    retrySoon();
    facetTimer = setTimeout(() => Promise.all([showAll(url, current), showFilters(url, current), showTimeLine(url, current)]), filters);
  } catch (error) {
    if (error.name !== "AbortError" && current === sequence) fail(results);
  } finally {
    if (current === sequence) results.classList.remove("stale");
  }
}

// Where nothing was found, near misses are loaded. The rest of the photos is loaded on scrolling.
async function showAll(url, current) {
  if (!$("#results [data-unfinished]")) return;
  try {
    const html = await fetchPart(partOf(url, "results"), running.signal);
    if (current === sequence) setHtml($("#results"), html);
  } catch (error) {
    if (error.name !== "AbortError" && current === sequence) fail($("#results"));
  }
}

async function showFilters(url, current) {
  try {
    const html = await fetchPart(partOf(url, "filters"), running.signal);
    if (current !== sequence) return;
    const open = $("details[open]", $("#filters"))?.dataset.name;
    const focused = $("#filters").contains(document.activeElement) && document.activeElement.closest("details")?.dataset.name;
    if (open && focused) return; // not while it is being used
    setHtml($("#filters"), html);
    if (open) $(`#filters details[data-name="${open}"]`)?.setAttribute("open", "");
    if (focused) ($(`#filters details[data-name="${focused}"] summary`) ?? $("#q")).focus({ preventScroll: true });
  } catch (error) {
    if (error.name !== "AbortError") $("#filters").replaceChildren();
  }
}

async function showTimeLine(url, current) {
  try {
    const html = await fetchPart(partOf(url, "timeline"), running.signal);
    if (current === sequence) putTimeLine(html);
  } catch (error) {
    if (error.name !== "AbortError") putTimeLine("");
  }
}

function setHtml(element, html) {
  element.innerHTML = html; // our own templates', escaped there; no script in it can run (Content-Security-Policy)
}

function announceSoon() {
  clearTimeout(announceTimer);
  announceTimer = setTimeout(() => ($("#announcement").textContent = $("#results :is(.total, .state h1)")?.textContent ?? ""), ANNOUNCE_MS);
}

function retrySoon() {
  const shownAt = sequence;
  if ($("#results [data-retry]")) setTimeout(() => shownAt === sequence && show(location.href), RETRY_MS);
}

function fail(results) {
  const state = document.createElement("section");
  state.className = "state";
  state.dataset.retry = "";
  state.append(Object.assign(document.createElement("h1"), { textContent: texts.unanswered }));
  state.append(Object.assign(document.createElement("p"), { textContent: texts.retrying }));
  results.replaceChildren(state);
  announceSoon();
  retrySoon();
}

function navigate(url, { step = true, typed = false } = {}) {
  rememberPlace();
  history[step ? "pushState" : "replaceState"]({}, "", url);
  const text = (new URL(url, location.href).searchParams.get("q") ?? "").trim();
  document.title = text ? `${text} – recollect` : "recollect";
  return show(url, { typed });
}

function addressOf(text) {
  const now = new URLSearchParams(location.search);
  const next = new URLSearchParams();
  if (text.trim()) next.set("q", text);
  if (now.get("sort")) next.set("sort", now.get("sort"));
  return `${next}` ? `${base}/?${next}` : `${base}/`;
}

function onInput(event) {
  if (event.isComposing) return;
  const now = performance.now();
  navigate(addressOf(event.target.value), { step: now - lastInput > STEP_MS, typed: true });
  lastInput = now;
}

function onClick(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest("a[data-search]");
  if (link) {
    event.preventDefault();
    const text = new URL(link.href).searchParams.get("q") ?? "";
    $("#q").value = text;
    lastInput = -Infinity;
    link.closest("#filters details")?.firstElementChild.focus({ preventScroll: true }); // the link is hidden with its sheet
    closeSheets();
    navigate(link.href);
  } else if (event.target.closest("a.tile")) {
    rememberPlace();
    sessionStorage.setItem("from", addressOf($("#q").value));
  }
}

async function restore(state) {
  lastInput = -Infinity;
  const url = location.href;
  $("#q").value = new URL(url).searchParams.get("q") ?? "";
  await show(url, { place: state, filters: 0 });
}

// ---------------------------------------------------------------- filters, keys

function closeSheets(except = null) {
  for (const sheet of $$("#filters details[open]")) if (sheet !== except) sheet.open = false;
}

function moveInGrid(event) {
  const tile = document.activeElement?.closest?.(".tile");
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" }[event.key];
  if (!tile || !step) return;
  const tiles = $$(".tile", tile.closest(".grid"));
  const at = tiles.indexOf(tile);
  const to = typeof step === "number" ? tiles[at + step] : step === "first" ? tiles[0] : step === "last" ? tiles.at(-1) : nearest(tiles, tile, step);
  if (to) {
    event.preventDefault();
    to.focus();
  } else if (step === "up") {
    event.preventDefault();
    $("#q")?.focus();
  }
}

function nearest(tiles, from, direction) {
  const box = from.getBoundingClientRect();
  const middle = box.left + box.width / 2;
  let best = null;
  for (const tile of tiles) {
    const other = tile.getBoundingClientRect();
    const rows = direction === "up" ? box.top - other.top : other.top - box.top;
    if (rows < 2) continue;
    const distance = rows * 4 + Math.abs(other.left + other.width / 2 - middle);
    if (!best || distance < best.distance) best = { tile, distance };
  }
  return best?.tile ?? null;
}

function onKeydown(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const typing = event.target.matches?.("input, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    $("#q")?.focus();
    $("#q")?.select();
  } else if (event.key === "Escape") {
    onEscape();
  } else if (event.key === "ArrowDown" && event.target.id === "q") {
    const first = $(".tile");
    if (first) event.preventDefault();
    first?.focus();
  } else if (!typing) {
    page.contains("photo-page") && !document.activeElement?.closest?.(".grid") ? onArrow(event) : moveInGrid(event);
  }
}

function onEscape() {
  const open = $("#filters details[open], .correct[open]");
  if (open) {
    open.open = false;
    $("summary", open).focus();
  } else if (page.contains("photo-page")) {
    goBack();
  } else if (document.activeElement?.id === "q") {
    document.activeElement.blur();
  }
}

// ---------------------------------------------------------------- one photo

function onArrow(event) {
  const link = { ArrowLeft: "#previous", ArrowRight: "#next" }[event.key];
  if (link && leafTo($(link))) event.preventDefault();
}

// Leafing replaces the entry, so that one step back is the grid again.
function leafTo(link) {
  if (link) location.replace(link.href);
  return Boolean(link);
}

function goBack() {
  const back = $("#back");
  const url = new URL(back.href);
  url.searchParams.delete("page");
  const from = sessionStorage.getItem("from");
  if (from && history.length > 1 && new URL(from, location.href).href === url.href) history.back();
  else location.assign(back.href);
}

function viewPhoto() {
  for (const id of ["#previous", "#next"]) {
    $(id)?.addEventListener("click", (event) => {
      if (event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      leafTo(event.currentTarget);
    });
  }
  $("#back").addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    goBack();
  });
  const ahead = $("#next")?.dataset.picture;
  if (ahead) addEventListener("load", () => (new Image().src = ahead));
  listenForSwipes();
}

function listenForSwipes() {
  let from = null;
  document.addEventListener("touchstart", (event) => {
    // During a view transition touches go to the root element.
    const onPicture = event.target === document.documentElement || event.target.closest(".stage");
    from = onPicture && event.touches.length === 1 ? { x: event.touches[0].clientX, y: event.touches[0].clientY } : null;
  }, { passive: true });
  document.addEventListener("touchend", (event) => {
    if (!from || visualViewport?.scale > 1.05 || page.contains("zoomed")) return;
    const x = event.changedTouches[0].clientX - from.x;
    const y = event.changedTouches[0].clientY - from.y;
    if (Math.abs(x) > 56 && Math.abs(x) > 2 * Math.abs(y)) leafTo($(x < 0 ? "#next" : "#previous"));
  }, { passive: true });
}

// ---------------------------------------------------------------- how far the indexing is

const POLL_MS = 3000;

async function pollProgress() {
  if (document.visibilityState === "visible") {
    try {
      if (page.contains("status-page")) await updateStatus();
      else await updatePill();
    } catch {
      // The next poll follows; the results show an error of their own.
    }
  }
  setTimeout(pollProgress, POLL_MS);
}

async function updateStatus() {
  const html = await fetchPart(partOf(location.href, "status"));
  if (!$("#status").contains(document.activeElement)) setHtml($("#status"), html); // not while it is being used
}

async function updatePill() {
  const html = await fetchPart(partOf(`${base}/`, "progress"));
  const template = document.createElement("template");
  template.innerHTML = html;
  const pill = $("#progress", template.content);
  $("#progress").replaceWith(pill);
  // Loads photos only into an empty page: a grid that is being looked at is not changed.
  if (Number(pill.dataset.photos) && $("#results [data-waiting]")) show(location.href);
}

// ---------------------------------------------------------------- begin

document.addEventListener("keydown", onKeydown);
if (page.contains("search-page")) {
  history.scrollRestoration = "manual";
  document.documentElement.classList.add("js");
  const input = $("#q");
  // Not on a telephone, where the focus brings up half a screen of keyboard.
  if (!input.value && !history.state && matchMedia("(hover: hover) and (pointer: fine)").matches) input.focus();
  input.addEventListener("input", onInput);
  input.addEventListener("compositionend", onInput);
  input.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (addressOf(input.value) !== location.pathname + location.search) navigate(addressOf(input.value));
    if (!matchMedia("(hover: hover) and (pointer: fine)").matches) input.blur(); // puts the keyboard of a telephone away
  });
  document.addEventListener("click", onClick);
  document.addEventListener("click", (event) => closeSheets(event.target.closest("#filters details")));
  addEventListener("popstate", (event) => restore(event.state));
  followPlace();
  if (history.state?.pages > 1) restore(history.state);
  else {
    watchEnds();
    retrySoon();
    backToPlace(history.state);
  }
}
if (page.contains("photo-page")) viewPhoto();
if (page.contains("search-page") || page.contains("status-page")) setTimeout(pollProgress, POLL_MS);
