// The faces of a photo as boxes over its picture, once somebody asks for them; each is named where it is.

import { refreshAbout } from "./about.js";
import { $, $$, base, fetchPart, filled, partOf, texts } from "./page.js";

const link = $("#show-faces");
const frame = $("#frame");
const image = $(".picture img", frame);
const GAP_PX = 8;
const FORM_PX = 150; // the room that the form below a box needs

let faces = null;

async function onToggle(event) {
  event.preventDefault();
  if (faces) return remove();
  try {
    place(new DOMParser().parseFromString(await fetchPart(partOf(link.href, "faces")), "text/html"));
    if (!event.detail) $(".face summary", faces)?.focus(); // by the keyboard: the boxes come before the link
  } catch {
    $("#announcement").textContent = link.textContent = link.dataset.failed;
  }
}

function remove() {
  faces.remove();
  $(".show-faces .undo")?.remove();
  faces = null;
  link.setAttribute("aria-expanded", "false");
}

function place(answer) {
  const list = $("#faces", answer);
  if (!list) throw new Error("no faces");
  faces?.remove();
  faces = list;
  faces.classList.add("placed");
  for (const box of $$(".face", faces)) {
    for (const side of ["left", "top", "width", "height"]) box.style[side] = `${box.dataset[side] * 100}%`;
  }
  for (const kind of ["pointerdown", "touchstart", "touchmove", "touchend", "wheel"]) faces.addEventListener(kind, (one) => one.stopPropagation(), { passive: true });
  faces.addEventListener("click", onClick);
  frame.append(faces);
  fit();
  $(".show-faces .undo")?.remove();
  const undo = $(".undo", faces);
  if (undo) link.after(undo);
  link.setAttribute("aria-expanded", "true");
  $("#announcement").textContent = $(".none", faces)?.textContent ?? faces.dataset.announcement;
  if ($(".none", faces)) link.textContent = faces.dataset.none;
}

// A small picture does not fill its place (object-fit: scale-down).
function fit() {
  if (!faces) return;
  const { offsetLeft, offsetTop, clientWidth, clientHeight } = image.closest(".picture");
  const scale = Math.min(1, clientWidth / image.naturalWidth, clientHeight / image.naturalHeight);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  const box = { left: offsetLeft + (clientWidth - width) / 2, top: offsetTop + (clientHeight - height) / 2, width, height };
  for (const [side, px] of Object.entries(box)) faces.style[side] = `${px}px`;
}

// At the click, not at the toggle event that follows: letters typed in between would be lost.
function onClick(event) {
  const details = event.target.closest("summary")?.parentElement;
  if (!details || details.open) return;
  event.preventDefault();
  details.open = true;
  placeForm(details);
}

// Places the form where it fits, and focuses the name.
function placeForm(details) {
  const form = $("form", details);
  const room = frame.getBoundingClientRect();
  const box = details.getBoundingClientRect();
  details.parentElement.classList.toggle("above", room.bottom - box.bottom < FORM_PX && box.top - room.top > FORM_PX);
  form.style.setProperty("--shift", "0px");
  const { left, right } = form.getBoundingClientRect();
  const shift = Math.max(0, room.left + GAP_PX - left) - Math.max(0, right - room.right + GAP_PX);
  form.style.setProperty("--shift", `${shift}px`);
  const field = $("input[name=name]", form);
  field.focus();
  field.select();
}

async function onSubmit(event) {
  const form = event.target.closest("#faces form, .show-faces .undo");
  if (!form) return;
  event.preventDefault();
  event.stopPropagation();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const number = $$(".face", faces).indexOf(form.closest(".face"));
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    const answer = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!$("#faces", answer)) throw new Error(new URL(response.url).pathname === `${base}/login` ? texts.signIn : filled(texts.status, response.status));
    place(answer);
    const opened = $("[open]", faces);
    if (opened) placeForm(opened);
    else ($$(".face summary", faces)[number] ?? link).focus();
    if (!response.ok) return;
    $("#announcement").textContent = texts.saved;
    await refreshAbout();
  } catch (error) {
    $(".warning", form)?.remove();
    const warning = Object.assign(document.createElement("p"), { className: "warning", textContent: filled(texts.unsaved, error instanceof TypeError ? texts.away : error.message) });
    warning.setAttribute("role", "alert");
    form.append(warning);
  }
}

function onKeydown(event) {
  if (event.key !== "Escape" || !faces?.contains(event.target)) return;
  event.stopPropagation();
  const open = $("details[open]", faces);
  if (!open) {
    remove();
    link.focus();
    return;
  }
  open.open = false;
  $("summary", open).focus();
}

link.setAttribute("role", "button");
link.setAttribute("aria-expanded", "false");
link.addEventListener("click", onToggle);
link.addEventListener("keydown", (event) => event.key === " " && onToggle(event));
document.addEventListener("submit", onSubmit);
frame.addEventListener("keydown", onKeydown);
new ResizeObserver(fit).observe(frame);
