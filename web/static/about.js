// Sends the forms of a photo's page without loading another page: correct the caption, mark it as wrong, add words.

import { $, $$, base, fetchPart, filled, partOf, texts } from "./page.js";

const POLL_MS = 1000; // a caption is in its file a moment after it was typed

// The answer is the photo's page, or the same page with the reason why the words were not kept.
async function onSubmit(event) {
  const form = event.target.closest(".about form");
  if (!form) return;
  event.preventDefault();
  const buttons = $$("button", form);
  const body = new URLSearchParams(new FormData(form, event.submitter));
  for (const button of buttons) button.disabled = true;
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    const answer = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!replaceAbout(answer)) throw new Error(new URL(response.url).pathname === `${base}/login` ? texts.signIn : filled(texts.status, response.status));
    document.title = answer.title;
    $(".picture img").alt = $(".picture img", answer).alt;
    $(response.ok ? form.dataset.focusSaved : form.dataset.focusRefused)?.focus();
    if (response.ok) announceCaption(event.submitter?.dataset.announcement ?? texts.saved);
    pollSoon();
  } catch (error) {
    for (const button of buttons) button.disabled = false;
    showUnsaved(form, error instanceof TypeError ? texts.away : error.message);
  }
}

function showUnsaved(form, why) {
  $(".warning", form)?.remove();
  const warning = Object.assign(document.createElement("p"), { className: "warning", textContent: filled(texts.unsaved, why) });
  warning.setAttribute("role", "alert");
  const field = $("textarea, input", form);
  if (field) field.after(warning);
  else form.append(warning);
}

// For screen readers: the focus alone does not say that anything was saved.
function announceCaption(first = "") {
  const words = $(".byline").textContent.replace(/\s+/g, " ").trim();
  if (first || !$("#announcement").textContent.endsWith(words)) $("#announcement").textContent = `${first} ${words}`.trim();
}

function replaceAbout(root) {
  const about = $(".about", root);
  if (!about) return false;
  $(".about").replaceWith(about);
  return true;
}

// Another part of the page has changed the photo's texts.
export async function refreshAbout() {
  if (isEditing()) return;
  const html = await fetchPart(partOf(location.href, "about"));
  if (!isEditing()) replaceAbout(new DOMParser().parseFromString(html, "text/html"));
}

function pollSoon() {
  if ($(".about [data-pending]")) setTimeout(pollCaption, POLL_MS);
}

function isEditing() {
  return Boolean($(".correct[open]") || $("#more").value || document.activeElement === $("#more"));
}

async function pollCaption() {
  try {
    if (document.visibilityState === "visible" && !isEditing()) {
      const html = await fetchPart(partOf(location.href, "about"));
      const focused = $(".correct").contains(document.activeElement) ? ".correct summary" : $(".mark-wrong")?.contains(document.activeElement) ? ".mark-wrong button" : "";
      if (!isEditing()) replaceAbout(new DOMParser().parseFromString(html, "text/html"));
      if (focused) $(focused)?.focus();
      if (!$(".about [data-pending]")) announceCaption();
    }
  } catch {
    // The next poll follows.
  }
  pollSoon();
}

// A caption is one line, however long.
function onKeydown(event) {
  if (event.target.id !== "words" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.requestSubmit($("button", event.target.form));
}

// At the click, not at the toggle event that follows: letters typed in between would be lost.
function onClick(event) {
  const correct = event.target.closest(".correct summary")?.parentElement;
  if (!correct || correct.open) return;
  event.preventDefault();
  correct.open = true;
  const words = $("#words");
  words.focus();
  words.setSelectionRange(words.value.length, words.value.length);
}

document.addEventListener("submit", onSubmit);
document.addEventListener("keydown", onKeydown);
document.addEventListener("click", onClick);
pollSoon();
