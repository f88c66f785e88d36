// Keeps an open page up to date, and its countdowns going. Nothing here is needed to read a page or to decide.
"use strict";

// How far this device's clock is from the engine's, in milliseconds.
let ahead = 0;

// The parts as the engine sent them, by id: what a person opened or typed is not in it.
const sent = new Map();

function main() {
  return document.getElementById("main");
}

function remember(root) {
  ahead = Date.now() - Number(root.dataset.now);
  for (const part of root.children) if (part.id) sent.set(part.id, essence(part));
}

// A part without what only counts on: that a second has passed is no news.
function essence(part) {
  const copy = part.cloneNode(true);
  for (const time of copy.querySelectorAll("time[data-until], time[data-since]")) time.textContent = "";
  return copy.outerHTML;
}

// The same words as the engine's own: at most two units, to the second.
function length(ms) {
  const seconds = Math.floor(Math.max(ms, 0) / 1000);
  const units = [["d", Math.floor(seconds / 86400)], ["h", Math.floor(seconds / 3600) % 24], ["m", Math.floor(seconds / 60) % 60], ["s", seconds % 60]];
  const first = units.findIndex(([, count]) => count > 0);
  if (first < 0) return "0s";
  return units.slice(first, first + 2).filter(([, count]) => count > 0).map(([unit, count]) => count + unit).join(" ");
}

function tick() {
  const now = Date.now() - ahead;
  for (const time of document.querySelectorAll("time[data-until]")) time.textContent = length(Number(time.dataset.until) - now);
  for (const time of document.querySelectorAll("time[data-since]")) time.textContent = length(now - Number(time.dataset.since));
}

// Whether somebody is in the middle of something in this part: a text begun, a choice made.
function busy(part) {
  return [...part.querySelectorAll("input:not([type=hidden])")].some((input) =>
    input.type === "radio" ? input.checked !== input.defaultChecked : input.value !== input.defaultValue);
}

// Puts the new parts in the place of the old, and leaves alone what is the same. A part that somebody is filling in stays while
// it is about the same thing.
function show(html) {
  const next = new DOMParser().parseFromString(html, "text/html").getElementById("main");
  if (!next) return;
  const here = main();
  const focused = document.activeElement && document.activeElement.id;
  const keep = new Set();
  let last = null;
  for (const part of [...next.children]) {
    const old = part.id ? document.getElementById(part.id) : null;
    const same = old && (sent.get(part.id) === essence(part) || (busy(old) && old.dataset.holds === part.dataset.holds));
    let now = old;
    if (!same) {
      now = document.importNode(part, true);
      if (old) {
        for (const open of old.querySelectorAll("details[open][id]")) {
          const again = now.querySelector("#" + CSS.escape(open.id));
          if (again) again.open = true;
        }
        old.replaceWith(now);
      }
      if (part.id) now.classList.add("fresh");
    }
    keep.add(now);
    const place = last ? last.nextSibling : here.firstChild;
    if (now !== place) here.insertBefore(now, place);
    last = now;
  }
  for (const part of [...here.children]) if (!keep.has(part)) part.remove();
  here.dataset.now = next.dataset.now;
  sent.clear();
  remember(next);
  if (focused && document.activeElement === document.body) {
    const again = document.getElementById(focused);
    if (again) again.focus();
  }
  tick();
}

function follow(path) {
  const stale = document.getElementById("stale");
  const source = new EventSource(path);
  source.addEventListener("open", () => { stale.hidden = true; });
  source.addEventListener("error", () => { stale.hidden = false; });
  source.addEventListener("page", (event) => show(JSON.parse(event.data)));
  source.addEventListener("last", (event) => { show(JSON.parse(event.data)); source.close(); });
  source.addEventListener("gone", () => { source.close(); stale.hidden = false; });
  // A page that is left takes no place at the engine's door; one that is come back to is right at once.
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

remember(main());
tick();
setInterval(tick, 1000);
follow(document.body.dataset.live);
