// The forms of the pages of people, without leaving the place: what is decided is seen, said, and can be undone. One key
// answers "is this also NAME?".

import { $, $$, base, filled, texts } from "./page.js";

async function onSubmit(event) {
  const form = event.target.closest("#people form[data-focus]");
  if (!form) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const buttons = $$("button", form);
  for (const button of buttons) button.disabled = true;
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    const answer = new DOMParser().parseFromString(await response.text(), "text/html");
    const { pathname } = new URL(response.url);
    if (response.ok && $("#people", answer) && pathname !== location.pathname) return location.assign(response.url);
    if (!$("#people", answer)) throw new Error(pathname === `${base}/login` ? texts.signIn : filled(texts.status, response.status));
    show(answer, form, response.ok, event.submitter?.dataset.announcement);
  } catch (error) {
    for (const button of buttons) button.disabled = false;
    showUnsaved(form, error instanceof TypeError ? texts.away : error.message);
  }
}

function show(answer, form, kept, said) {
  $("#people").replaceWith($("#people", answer));
  document.title = answer.title;
  if (!kept) return $("#people [aria-invalid]")?.focus();
  // The next of the same kind stands where this one was.
  const [selector, fallback] = form.dataset.focus.split(", ");
  const same = $$(selector);
  (same[Math.min(Number(form.dataset.at ?? 0), same.length - 1)] ?? $(fallback))?.focus();
  $("#announcement").textContent = said ?? $(".last .told")?.textContent ?? "";
}

function showUnsaved(form, why) {
  $(".warning", form)?.remove();
  const warning = Object.assign(document.createElement("p"), { className: "warning", textContent: filled(texts.unsaved, why) });
  warning.setAttribute("role", "alert");
  form.append(warning);
}

function onKeydown(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.repeat || event.target.matches?.("input:not([type=checkbox]), textarea")) return;
  const button = $$("[data-keys]:enabled").find((one) => one.dataset.keys === event.key.toLowerCase());
  if (!button) return;
  event.preventDefault();
  button.click();
}

document.addEventListener("submit", onSubmit);
document.addEventListener("keydown", onKeydown);
