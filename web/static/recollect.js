// Makes the page quick: results while typing, endless scroll, keys and swipes. Everything works without it, too:
// it only asks for parts of the same pages (?part=…) and puts them where the server would have.

import { $, $$, base, fetchPart, page, partOf, texts } from "./page.js";
import { backToPlace, followPlace, pagesAround, rememberPlace, watchEnds } from "./endless.js";
import "./suggest.js";
import { putTimeLine } from "./timeline.js";

// ---------------------------------------------------------------- results

let sequence = 0;
let running = null;

const QUIET_MS = 250; // facets cost more than results: counted when the typing pauses
const SAY_MS = 700; // who hears the page is told what was found when the typing pauses, and not with every letter
const AGAIN_MS = 3000; // where nobody answered, or only that search is away
const STEP_MS = 1500; // a pause this long makes a step for the back button

let lastInput = -Infinity;
let facetTimer = 0;
let sayTimer = 0;

async function show(url, { place = null, filters = QUIET_MS } = {}) {
  const mine = ++sequence;
  running?.abort();
  running = new AbortController();
  const results = $("#results");
  results.classList.add("stale");
  try {
    const html = await fetchPart(partOf(url, "results", pagesAround(place)), running.signal);
    if (mine !== sequence) return;
    const among = results.contains(document.activeElement); // quick hands are there before the answer
    put(results, html);
    watchEnds();
    backToPlace(place);
    if (among) ($(".tile", results) ?? $("#q")).focus();
    saySoon();
    askAgain();
    clearTimeout(facetTimer);
    facetTimer = setTimeout(() => Promise.all([showFilters(url, mine), showTimeLine(url, mine)]), filters);
  } catch (error) {
    if (error.name !== "AbortError" && mine === sequence) fail(results);
  } finally {
    if (mine === sequence) results.classList.remove("stale");
  }
}

async function showFilters(url, mine) {
  try {
    const html = await fetchPart(partOf(url, "filters"), running.signal);
    if (mine !== sequence) return;
    const open = $("details[open]", $("#filters"))?.dataset.name;
    const focused = $("#filters").contains(document.activeElement) && document.activeElement.closest("details")?.dataset.name;
    if (open && focused) return; // not under someone's fingers
    put($("#filters"), html);
    if (open) $(`#filters details[data-name="${open}"]`)?.setAttribute("open", "");
    if (focused) ($(`#filters details[data-name="${focused}"] summary`) ?? $("#q")).focus({ preventScroll: true });
  } catch (error) {
    if (error.name !== "AbortError") $("#filters").replaceChildren();
  }
}

async function showTimeLine(url, mine) {
  try {
    const html = await fetchPart(partOf(url, "timeline"), running.signal);
    if (mine === sequence) putTimeLine(html);
  } catch (error) {
    if (error.name !== "AbortError") putTimeLine("");
  }
}

function put(element, html) {
  element.innerHTML = html; // our own templates', escaped there; no script in it can run (Content-Security-Policy)
}

function saySoon() {
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => ($("#said").textContent = $("#results :is(.total, .state h1)")?.textContent ?? ""), SAY_MS);
}

function askAgain() {
  const tried = sequence;
  if ($("#results [data-again]")) setTimeout(() => tried === sequence && show(location.href), AGAIN_MS);
}

function fail(results) {
  const state = document.createElement("section");
  state.className = "state";
  state.dataset.again = "";
  state.append(Object.assign(document.createElement("h1"), { textContent: texts.unanswered }));
  state.append(Object.assign(document.createElement("p"), { textContent: texts.retrying }));
  results.replaceChildren(state);
  saySoon();
  askAgain();
}

function go(url, { step = true } = {}) {
  rememberPlace();
  history[step ? "pushState" : "replaceState"]({}, "", url);
  const text = (new URL(url, location.href).searchParams.get("q") ?? "").trim();
  document.title = text ? `${text} – recollect` : "recollect";
  return show(url);
}

function addressOf(text) {
  const now = new URLSearchParams(location.search);
  const next = new URLSearchParams();
  if (text.trim()) next.set("q", text);
  if (now.get("sort")) next.set("sort", now.get("sort"));
  return `${next}` ? `${base}/?${next}` : `${base}/`;
}

function typed(event) {
  if (event.isComposing) return;
  const now = performance.now();
  go(addressOf(event.target.value), { step: now - lastInput > STEP_MS });
  lastInput = now;
}

function followed(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest("a[data-search]");
  if (link) {
    event.preventDefault();
    const text = new URL(link.href).searchParams.get("q") ?? "";
    $("#q").value = text;
    lastInput = -Infinity;
    link.closest("#filters details")?.firstElementChild.focus({ preventScroll: true }); // the link is hidden with its sheet
    closeSheets();
    go(link.href);
  } else if (event.target.closest("a.tile")) {
    rememberPlace();
    sessionStorage.setItem("from", addressOf($("#q").value));
  }
}

async function comeBack(state) {
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

function pressed(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const typing = event.target.matches?.("input, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    $("#q")?.focus();
    $("#q")?.select();
  } else if (event.key === "Escape") {
    escaped();
  } else if (event.key === "ArrowDown" && event.target.id === "q") {
    const first = $(".tile");
    if (first) event.preventDefault();
    first?.focus();
  } else if (!typing) {
    page.contains("viewing") && !document.activeElement?.closest?.(".grid") ? leaf(event) : moveInGrid(event);
  }
}

function escaped() {
  const open = $("#filters details[open], .correct[open]");
  if (open) {
    open.open = false;
    $("summary", open).focus();
  } else if (page.contains("viewing")) {
    goBack();
  } else if (document.activeElement?.id === "q") {
    document.activeElement.blur();
  }
}

// ---------------------------------------------------------------- one photo

function leaf(event) {
  const link = { ArrowLeft: "#previous", ArrowRight: "#next" }[event.key];
  if (link && turn($(link))) event.preventDefault();
}

// Leafing replaces the entry, so that one step back is the grid again.
function turn(link) {
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
      turn(event.currentTarget);
    });
  }
  $("#back").addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    goBack();
  });
  const ahead = $("#next")?.dataset.picture;
  if (ahead) addEventListener("load", () => (new Image().src = ahead));
  swipes();
}

function swipes() {
  let from = null;
  document.addEventListener("touchstart", (event) => {
    // While one page dissolves into the next, touches meet the root element.
    const onPicture = event.target === document.documentElement || event.target.closest(".stage");
    from = onPicture && event.touches.length === 1 ? { x: event.touches[0].clientX, y: event.touches[0].clientY } : null;
  }, { passive: true });
  document.addEventListener("touchend", (event) => {
    if (!from || visualViewport?.scale > 1.05 || page.contains("zoomed")) return;
    const x = event.changedTouches[0].clientX - from.x;
    const y = event.changedTouches[0].clientY - from.y;
    if (Math.abs(x) > 56 && Math.abs(x) > 2 * Math.abs(y)) turn($(x < 0 ? "#next" : "#previous"));
  }, { passive: true });
}

// ---------------------------------------------------------------- how far the indexing is

const LOOK_MS = 3000;

async function lookAtProgress() {
  if (document.visibilityState === "visible") {
    try {
      if (page.contains("telling")) await progressInStatus();
      else await progressInPill();
    } catch {
      // The next look is in a moment; results say by themselves when nobody answers.
    }
  }
  setTimeout(lookAtProgress, LOOK_MS);
}

async function progressInStatus() {
  const html = await fetchPart(partOf(location.href, "status"));
  if (!$("#status").contains(document.activeElement)) put($("#status"), html); // not under someone's fingers
}

async function progressInPill() {
  const html = await fetchPart(partOf(`${base}/`, "progress"));
  const box = document.createElement("template");
  box.innerHTML = html;
  const fresh = $("#progress", box.content);
  $("#progress").replaceWith(fresh);
  // Whoever waits for the first photos gets them; whoever looks at photos is not disturbed.
  if (Number(fresh.dataset.photos) && $("#results [data-waiting]")) show(location.href);
}

// ---------------------------------------------------------------- begin

document.addEventListener("keydown", pressed);
if (page.contains("searching")) {
  history.scrollRestoration = "manual";
  document.documentElement.classList.add("js");
  const input = $("#q");
  // Not on a telephone, where the focus brings up half a screen of keyboard.
  if (!input.value && !history.state && matchMedia("(hover: hover) and (pointer: fine)").matches) input.focus();
  input.addEventListener("input", typed);
  input.addEventListener("compositionend", typed);
  input.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (addressOf(input.value) !== location.pathname + location.search) go(addressOf(input.value));
    if (!matchMedia("(hover: hover) and (pointer: fine)").matches) input.blur(); // puts the keyboard of a telephone away
  });
  document.addEventListener("click", followed);
  document.addEventListener("click", (event) => closeSheets(event.target.closest("#filters details")));
  addEventListener("popstate", (event) => comeBack(event.state));
  followPlace();
  if (history.state?.pages > 1) comeBack(history.state);
  else {
    watchEnds();
    askAgain();
    backToPlace(history.state);
  }
}
if (page.contains("viewing")) viewPhoto();
if (page.contains("searching") || page.contains("telling")) setTimeout(lookAtProgress, LOOK_MS);
