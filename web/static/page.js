// What every module of the page needs: finding elements, dates in the reader's own language, parts of pages.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
export const page = document.body.classList;

// ---------------------------------------------------------------- dates in the reader's own language

export const LANGUAGES = navigator.languages?.length ? navigator.languages : ["en"];

export function inOwnLanguage(root) {
  for (const time of $$("time[datetime]", root)) {
    // The clock on the wall where the photo was taken, whatever zone the reader sits in.
    const [year, month, day, hour, minute] = time.dateTime.match(/\d+/g).map(Number);
    const style = "narrow" in time.dataset ? { month: "narrow" } : day ? { dateStyle: "long", timeStyle: "short" } : { year: "numeric", month: "long" };
    const text = new Intl.DateTimeFormat(LANGUAGES, style).format(new Date(year, month - 1, day ?? 1, hour ?? 0, minute ?? 0));
    if (time.textContent !== text) time.textContent = text;
  }
}

// ---------------------------------------------------------------- asking for parts of a page

export function partOf(url, part, more = {}) {
  const address = new URL(url, location.href);
  address.searchParams.set("part", part);
  for (const [name, value] of Object.entries(more)) address.searchParams.set(name, value);
  return address;
}

export async function fetchPart(address, signal) {
  const response = await fetch(address, { signal, headers: { Accept: "text/html" } });
  if (response.status === 401) location.reload();
  if (!response.headers.get("Content-Type")?.startsWith("text/html")) throw new Error(`status ${response.status}`);
  return response.text();
}
