// What every module of the page needs: finding elements, texts in the reader's own language, parts of pages.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
export const page = document.body.classList;

export const base = document.documentElement.dataset.base; // the path that the page is served under

// ---------------------------------------------------------------- the reader's own language

export const texts = JSON.parse($("#texts").textContent);
export const filled = (text, value) => text.replace("{}", () => value);

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
  if (!response.headers.get("Content-Type")?.startsWith("text/html")) throw new Error(filled(texts.status, response.status));
  return response.text();
}
