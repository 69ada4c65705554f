// The time line: one stop for the Tab key, arrows from bar to bar, and the focus stays where it was when it is renewed.

import { $, $$ } from "./page.js";

const strip = $("#timeline");

export function putTimeLine(html) {
  const focused = strip.contains(document.activeElement) ? document.activeElement.dataset.period : null;
  const scrolled = $(".line", strip)?.scrollLeft;
  strip.innerHTML = html; // our own template's, escaped there
  const bar = focused && ($(`[data-period="${focused}"]`, strip) ?? $(`[data-period="${focused.slice(0, 4)}"]`, strip));
  if ($(".line", strip) && scrolled !== undefined) $(".line", strip).scrollLeft = scrolled;
  prepare(bar);
  bar?.focus({ preventScroll: true });
}

function prepare(bar = null) {
  const line = $(".line", strip);
  if (!line) return;
  setTabStop(bar ?? $("[aria-current]", line) ?? $(".period", line));
  const chosen = $$("[aria-current]", line);
  if (chosen.length) scrollIntoLine(line, chosen[Math.floor(chosen.length / 2)]);
}

// Only the line is scrolled, never the page.
function scrollIntoLine(line, bar) {
  const inside = line.getBoundingClientRect();
  const box = bar.getBoundingClientRect();
  if (box.left < inside.left || box.right > inside.right) line.scrollLeft += (box.left + box.right - inside.left - inside.right) / 2;
}

function setTabStop(bar) {
  for (const one of $$(".period", strip)) one.tabIndex = one === bar ? 0 : -1;
}

// In their order on the screen, oldest first.
function inOrder() {
  return $$(".period", strip).sort((one, other) => one.getBoundingClientRect().left - other.getBoundingClientRect().left);
}

function onKeydown(event) {
  const bar = event.target.closest(".period");
  if (!bar || event.altKey || event.ctrlKey || event.metaKey) return;
  const bars = inOrder();
  const at = bars.indexOf(bar);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars.length - 1 }[event.key];
  if (to === undefined || !bars[to]) return;
  event.preventDefault();
  setTabStop(bars[to]);
  bars[to].focus({ preventScroll: true });
  scrollIntoLine($(".line", strip), bars[to]);
}

if (strip) {
  strip.addEventListener("keydown", onKeydown);
  prepare();
}
