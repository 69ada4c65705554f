// The picture of a photo's page, closer: wheel, pinch, click or double tap, the keys + - 0, and dragging. What is
// enlarged is the cached picture; the original is loaded only when somebody asks for it.

import { $, page } from "./page.js";

const STEP = 1.5; // of a key or a button
const CLICK_SCALE = 2.5; // of a click or a double tap
const LEAST_LIMIT = 4; // a small picture can be enlarged so much, a large one until its pixels are two wide
const ARROW_PX = 80;
const DRAG_PX = 4;
const TAP_MS = 320;
const TAP_PX = 40;
const AFTER_TOUCH_MS = 700; // a browser says "click" up to so long after a touch
const WHEEL_PAUSE_MS = 300; // a turn of the wheel that zoomed out to the whole picture does not scroll the page as well

const frame = $("#frame");
const picture = $(".picture", frame);
const image = $("img", picture);
const bar = $("#zoom");
const detail = $("[data-zoom=detail]", bar);

let scale = 1;
let x = 0; // of the picture's left upper corner, in CSS pixels from where the whole picture has it
let y = 0;
let touchedAt = -Infinity;
let wholeAt = -Infinity;

// ---------------------------------------------------------------- what is seen

function sizes() {
  const outer = frame.getBoundingClientRect();
  const box = picture.getBoundingClientRect();
  return { outer, left: box.left - outer.left, top: box.top - outer.top, width: box.width, height: box.height };
}

function limit(width) {
  return Math.max(LEAST_LIMIT, (2 * image.naturalWidth) / width);
}

// Nothing is shown beside the picture that could show more of the picture.
function clamp(at, offset, shown, whole) {
  return shown <= whole ? (whole - shown) / 2 - offset : Math.min(-offset, Math.max(whole - shown - offset, at));
}

function draw({ smooth = false } = {}) {
  const { outer, left, top, width, height } = sizes();
  if (scale <= 1.001) scale = 1;
  x = scale === 1 ? 0 : clamp(x, left, width * scale, outer.width);
  y = scale === 1 ? 0 : clamp(y, top, height * scale, outer.height);
  image.classList.toggle("smooth", smooth);
  image.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
  page.toggle("zoomed", scale > 1);
  if (detail) detail.hidden = scale === 1 || detail.disabled;
  $("[data-zoom=out]", bar).disabled = $("[data-zoom=whole]", bar).disabled = scale === 1;
  $("[data-zoom=in]", bar).disabled = scale >= limit(width) - 0.001;
  $(".percent", bar).textContent = bar.dataset.percent.replace("{}", Math.round(scale * 100));
  keepFocus();
}

// A button that gets disabled passes the focus on, which would otherwise go to the top of the page.
function keepFocus() {
  const focused = document.activeElement;
  if (bar.contains(focused) && (focused.disabled || focused.hidden)) $("[data-zoom=in]:enabled, [data-zoom=out]:enabled", bar)?.focus();
}

// The point of the picture under (clientX, clientY) stays where it is.
function zoomTo(wanted, { clientX, clientY } = {}, more = {}) {
  const { outer, left, top, width } = sizes();
  const to = Math.min(Math.max(wanted, 1), limit(width));
  const atX = (clientX === undefined ? outer.width / 2 : clientX - outer.left) - left;
  const atY = (clientY === undefined ? outer.height / 2 : clientY - outer.top) - top;
  x = atX - ((atX - x) / scale) * to;
  y = atY - ((atY - y) / scale) * to;
  if (to === 1 && scale > 1) wholeAt = performance.now();
  scale = to;
  draw(more);
}

function step(wanted) {
  zoomTo(wanted, {}, { smooth: true });
  $("#announcement").textContent = bar.dataset.announcement.replace("{}", Math.round(scale * 100));
}

function toggle(point) {
  zoomTo(scale > 1 ? 1 : CLICK_SCALE, point, { smooth: true });
}

function pan(byX, byY, more) {
  x += byX;
  y += byY;
  draw(more);
}

// ---------------------------------------------------------------- wheel and mouse

function onWheel(event) {
  const paused = performance.now() - wholeAt > WHEEL_PAUSE_MS;
  if (!event.ctrlKey && scale === 1 && paused && (event.deltaY > 0 || scrollY > 0)) return; // the page scrolls
  event.preventDefault();
  const px = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
  zoomTo(scale * Math.exp(-px * (event.ctrlKey ? 0.01 : 0.002)), event);
}

let drag = null;

function onPointerdown(event) {
  if (event.pointerType !== "mouse" || event.button || event.target.closest("#zoom")) return;
  drag = { x: event.clientX, y: event.clientY, far: false };
}

function onPointermove(event) {
  if (!drag || scale === 1 || !(event.buttons & 1)) return;
  const [byX, byY] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.far && Math.hypot(byX, byY) < DRAG_PX) return;
  drag = { x: event.clientX, y: event.clientY, far: true };
  pan(byX, byY);
}

function onClick(event) {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return; // the original, in another tab
  event.preventDefault();
  const far = drag?.far;
  drag = null;
  if (far || event.detail > 1 || performance.now() - touchedAt < AFTER_TOUCH_MS) return;
  toggle(event.detail ? event : {}); // a click by a key has no position
}

// ---------------------------------------------------------------- fingers

let pinch = null;
let touch = null;
let lastTap = null;

function middle([one, other]) {
  return {
    clientX: (one.clientX + other.clientX) / 2,
    clientY: (one.clientY + other.clientY) / 2,
    apart: Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY),
  };
}

function onTouchstart(event) {
  touchedAt = performance.now();
  if (event.target.closest("#zoom")) return;
  pinch = event.touches.length === 2 ? middle(event.touches) : null;
  const [only] = event.touches;
  touch = event.touches.length === 1 ? { x: only.clientX, y: only.clientY, began: touchedAt, far: false } : null;
}

function onTouchmove(event) {
  if (pinch && event.touches.length === 2) {
    event.preventDefault();
    const now = middle(event.touches);
    x += now.clientX - pinch.clientX;
    y += now.clientY - pinch.clientY;
    zoomTo((scale * now.apart) / Math.max(pinch.apart, 1), now);
    pinch = now;
  } else if (touch) {
    const [{ clientX, clientY }] = event.touches;
    const [byX, byY] = [clientX - touch.x, clientY - touch.y];
    if (!touch.far && Math.hypot(byX, byY) < TAP_PX / 4) return;
    touch.far = true;
    if (scale === 1) return;
    event.preventDefault();
    touch = { ...touch, x: clientX, y: clientY };
    pan(byX, byY);
  }
}

function onTouchend(event) {
  touchedAt = performance.now();
  const [last] = event.changedTouches;
  const isTap = touch && !touch.far && !event.touches.length && touchedAt - touch.began < TAP_MS;
  const [only] = event.touches;
  // The finger that stays after a pinch moves the picture on.
  touch = only && pinch ? { x: only.clientX, y: only.clientY, began: -Infinity, far: true } : null;
  pinch = null;
  if (!isTap) return;
  const isSecond = lastTap && touchedAt - lastTap.at < TAP_MS && Math.hypot(last.clientX - lastTap.x, last.clientY - lastTap.y) < TAP_PX;
  lastTap = isSecond ? null : { at: touchedAt, x: last.clientX, y: last.clientY };
  if (!isSecond) return;
  event.preventDefault();
  toggle(last);
}

// ---------------------------------------------------------------- keys and buttons

const KEYS = { "+": () => step(scale * STEP), "=": () => step(scale * STEP), "-": () => step(scale / STEP), _: () => step(scale / STEP), 0: () => step(1) };
const KEYS_WHEN_ZOOMED = {
  Escape: () => step(1),
  ArrowLeft: () => pan(ARROW_PX, 0, { smooth: true }),
  ArrowRight: () => pan(-ARROW_PX, 0, { smooth: true }),
  ArrowUp: () => pan(0, ARROW_PX, { smooth: true }),
  ArrowDown: () => pan(0, -ARROW_PX, { smooth: true }),
};

// Before the page's own keys: while the picture is enlarged, arrows move it instead of opening other photos.
function onKeydown(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches?.("input, textarea")) return;
  if ($(".correct[open]") || document.activeElement?.closest?.(".grid")) return;
  const action = KEYS[event.key] ?? (scale > 1 ? KEYS_WHEN_ZOOMED[event.key] : null);
  if (!action) return;
  event.preventDefault();
  event.stopPropagation();
  action();
}

const BUTTONS = { in: () => step(scale * STEP), out: () => step(scale / STEP), whole: () => step(1), detail: showOriginal };

function onButton(event) {
  const button = event.target.closest("[data-zoom]");
  BUTTONS[button?.dataset.zoom]?.();
}

// It has the same shape, so nothing moves.
function showOriginal() {
  const original = new Image();
  detail.disabled = true;
  detail.setAttribute("aria-busy", "true");
  original.onload = () => {
    image.src = original.src;
    image.decode().then(() => draw(), () => draw());
  };
  original.onerror = () => {
    detail.removeAttribute("aria-busy");
    $("#announcement").textContent = detail.dataset.failed;
    detail.textContent = detail.dataset.failed;
  };
  original.src = detail.dataset.original;
}

// ---------------------------------------------------------------- begin

frame.classList.add("zoomable");
bar.hidden = false;
picture.title = "";
frame.addEventListener("wheel", onWheel, { passive: false });
frame.addEventListener("pointerdown", onPointerdown);
addEventListener("pointermove", onPointermove);
picture.addEventListener("click", onClick);
picture.addEventListener("dragstart", (event) => event.preventDefault());
frame.addEventListener("touchstart", onTouchstart, { passive: true });
frame.addEventListener("touchmove", onTouchmove, { passive: false });
frame.addEventListener("touchend", onTouchend, { passive: false });
frame.addEventListener("touchcancel", () => (pinch = touch = null));
document.addEventListener("keydown", onKeydown, true);
bar.addEventListener("click", onButton);
addEventListener("resize", () => draw());
draw();
