// Endless scroll in both directions that keeps its place: after a photo and back, after a reload, however far down.

import { $, $$, fetchPart, partOf } from "./page.js";

const MOST_PAGES = 40; // are restored at once; those before them are loaded on scrolling up
const AHEAD = "1600px";
const RETRY_MS = 3000;
const SETTLE_MS = 500; // without scrolling: then the place is saved, as a reload leaves no time for it

let first = 1; // of the pages in the grid
let last = 1;
let earlierUrl = ""; // the address of the page before the first one
let observer = null;
let generation = 0; // counts renderings of the grid: answers for an older one are dropped
let asking = new AbortController(); // of this grid's requests

// Another grid is being loaded: cancels the requests of this one.
export function leaveEnds() {
  observer?.disconnect();
  generation += 1;
  asking.abort();
  asking = new AbortController();
}

// After so many milliseconds, as another letter typed would replace the pages.
export function watchEnds(after = 0) {
  leaveEnds();
  [first, last] = pagesShown();
  const pager = $("#results .earlier");
  earlierUrl = pager?.querySelector("a").href ?? "";
  pager?.remove();
  const current = generation;
  setTimeout(() => current === generation && observe(), after);
}

// The pages that the server has rendered: one, that of the address, unless the script asked for others.
function pagesShown() {
  const { first = 0, pages = 0 } = $("#grid")?.dataset ?? {};
  return [Number(first) || 1, (Number(first) || 1) + (Number(pages) || 1) - 1];
}

function observe() {
  observer?.disconnect();
  const grid = $("#grid");
  if (!grid) return;
  const more = $(".more", grid);
  const top = first > 1 ? $(".tile", grid) : null;
  const near = (entries) => {
    const isNear = (one) => one && entries.some((entry) => entry.target === one && entry.isIntersecting);
    if (isNear(more)) load(() => loadMore(more));
    else if (isNear(top)) load(() => loadEarlier(grid));
  };
  observer = new IntersectionObserver(near, { rootMargin: AHEAD });
  for (const one of [more, top]) if (one) observer.observe(one);
}

async function load(part) {
  observer.disconnect();
  const current = generation;
  try {
    await part();
    if (current === generation) observe();
  } catch {
    setTimeout(() => current === generation && observe(), RETRY_MS);
  }
}

// While photos are being added, a page may begin with what the one before ended with.
async function tilesOf(url, part, more = {}) {
  const current = generation;
  const box = document.createElement("template");
  box.innerHTML = await fetchPart(partOf(url, part, more), asking.signal); // our own template's, escaped there
  if (current !== generation) return null;
  for (const tile of $$(".tile", box.content)) if (document.getElementById(tile.id)) (tile.closest(".begins") ?? tile).remove();
  return box.content;
}

// The heading above what is less sure stands in the first page that has such photos, as far as that page was known.
function keepFirstLine(grid) {
  for (const line of $$(".less-sure", grid).slice(1)) {
    line.previousElementSibling?.matches(".fill") && line.previousElementSibling.remove();
    line.remove();
  }
}

async function loadMore(more) {
  const isRest = "rest" in more.dataset; // the rest of a page that is here in part
  const tiles = await tilesOf($("a", more).href, isRest ? "rest" : "tiles");
  if (!tiles) return;
  more.previousElementSibling?.matches(".fill") && more.previousElementSibling.remove();
  more.replaceWith(tiles);
  keepFirstLine($("#grid"));
  if (!isRest) last += 1;
  remember();
}

// Keeps the scroll position while pages are added above.
async function loadEarlier(grid) {
  const tiles = await tilesOf(earlierUrl, "tiles", { page: first - 1 });
  if (!tiles) return;
  $(".more", tiles)?.remove();
  const top = $(".tile", grid);
  const topBefore = top.getBoundingClientRect().top;
  if (!tiles.lastElementChild?.matches(".fill")) tiles.append(Object.assign(document.createElement("span"), { className: "fill" }));
  grid.prepend(tiles);
  keepFirstLine(grid);
  first -= 1;
  remember();
  scrollBy({ top: top.getBoundingClientRect().top - topBefore, behavior: "instant" });
}

// ---------------------------------------------------------------- the place

function remember(place = {}) {
  history.replaceState({ ...history.state, first, pages: last - first + 1, ...place }, "");
}

// Tiles are in rows, one below the other: a binary search looks at a dozen of thousands.
function firstVisible(tiles) {
  let [above, below] = [0, tiles.length];
  while (above < below) {
    const middle = (above + below) >> 1;
    if (tiles[middle].getBoundingClientRect().bottom > 0) below = middle;
    else above = middle + 1;
  }
  return above;
}

function isInView(tile) {
  const { top, bottom } = tile.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

export function rememberPlace() {
  const tiles = $$("#grid .tile");
  const at = firstVisible(tiles);
  const focused = document.activeElement?.closest?.("#grid .tile");
  // Rows may break elsewhere when the pages around are restored, so the position of the opened photo is kept.
  const kept = focused && isInView(focused) ? focused : tiles[at];
  remember({ scroll: scrollY, tile: kept?.id, top: kept?.getBoundingClientRect().top, part: at / tiles.length, focused: focused?.id });
}

// Which pages are loaded to restore a place: all that were there, or, of many, those around it.
export function pagesAround(state) {
  if (!(state?.pages > 1)) return {};
  const most = Math.min(state.pages, MOST_PAGES);
  const at = state.first + Math.floor((state.part ?? 0) * state.pages) - Math.floor(most / 2);
  return { page: Math.max(state.first, Math.min(at, state.first + state.pages - most)), pages: most };
}

export function backToPlace(state) {
  const tile = state?.tile && document.getElementById(state.tile);
  const top = tile ? scrollY + tile.getBoundingClientRect().top - state.top : (state?.scroll ?? 0);
  scrollTo({ top, behavior: "instant" });
  if (document.activeElement === document.body && state?.focused) document.getElementById(state.focused)?.focus({ preventScroll: true });
}

let settleTimer = 0;

export function followPlace() {
  const onScroll = () => {
    clearTimeout(settleTimer);
    settleTimer = setTimeout(rememberPlace, SETTLE_MS);
  };
  addEventListener("scroll", onScroll, { passive: true });
  addEventListener("pagehide", rememberPlace);
}
