"use strict";
const audio = document.querySelector("audio");
const talk = document.querySelector("ol.talk");
const items = [...talk.querySelectorAll("li[data-start]")];
const bits = bitsOfItems();
const slider = document.getElementById("slider");
const needles = [...document.querySelectorAll(".needle")];
const follow = document.getElementById("follow");
const shown = document.getElementById("shown");
const find = document.getElementById("find");
const length = Number(slider.max);
const starts = items.map((item) => Number(item.dataset.start));
const ends = items.map((item) => Number(item.dataset.end));
const targets = JSON.parse(talk.dataset.targets);
const redacted = talk.dataset.redacted === "true";
const corrected = new Map();
let saved = true;
let now = [];
let stopAt = Infinity;

function bitsOfItems() {
  // Lanes hold the segments of one speaker each, in the order of the transcript.
  const lanes = new Map([...document.querySelectorAll(".player .row:not(.wave)")].map((lane) =>
    [lane.querySelector(".name").textContent, [...lane.querySelectorAll(".bit")]]));
  return items.map((item) => lanes.get(item.dataset.speaker).shift());
}

// ---------------------------------------------------------------- playing

function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (value) => String(value).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function mark(item, here) {
  item.classList.toggle("here", here);
  if (here) item.firstElementChild.setAttribute("aria-current", "true");
  else item.firstElementChild.removeAttribute("aria-current");
}

function show(time) {
  slider.value = time;
  slider.setAttribute("aria-valuetext", clock(time));
  for (const needle of needles) needle.style.left = `${(100 * time) / length}%`;
  const next = items.filter((item, k) => starts[k] <= time && time < ends[k]);
  if (next.length === now.length && next.every((item, k) => item === now[k])) return;
  for (const item of now) mark(item, false);
  for (const item of next) mark(item, true);
  now = next;
  const first = now.find((item) => !item.hidden);
  if (first && follow.checked && !audio.paused && stopAt === Infinity) first.scrollIntoView({ block: "center" });
}

function seek(time) {
  stopAt = Infinity;
  const to = Math.min(Math.max(time, 0), length);
  audio.currentTime = to;
  show(to);
}

function start() { audio.play().catch(() => {}); }

function toggle() { if (audio.paused) start(); else audio.pause(); }

function play(k, alone) {
  if (!audio.paused && now.includes(items[k])) { audio.pause(); return; }
  seek(starts[k]);
  if (alone) stopAt = ends[k];
  start();
}

function neighbour(step) {
  const open = items.filter((item) => !item.hidden);
  const time = Number(slider.value);
  const next = step > 0
    ? open.find((item) => Number(item.dataset.start) > time + 0.01)
    : open.filter((item) => Number(item.dataset.start) < time - 0.5).pop();
  if (next) seek(Number(next.dataset.start));
}

audio.addEventListener("timeupdate", () => {
  if (audio.currentTime >= stopAt) { stopAt = Infinity; audio.pause(); }
  show(audio.currentTime);
});
slider.addEventListener("input", () => seek(Number(slider.value)));

// ---------------------------------------------------------------- numbers and words of a segment

function element(name, text, into) {
  const made = document.createElement(name);
  if (text !== null) made.textContent = text;
  into.append(made);
  return made;
}

function numbers(item, panel) {
  const columns = ["together", "voice", "words"].filter((name) => item.dataset[name]);
  if (!columns.length) { element("p", "Nothing could be classified here.", panel).className = "soft"; return; }
  const table = element("table", null, panel);
  const head = element("tr", null, element("thead", null, table));
  for (const name of ["", ...columns]) element(name ? "th" : "td", name, head);
  const body = element("tbody", null, table);
  const scores = columns.map((name) => item.dataset[name].split(" "));
  targets.forEach((target, k) => {
    const row = element("tr", null, body);
    element("th", target, row);
    for (const column of scores) element("td", Number(column[k]).toFixed(2), row);
  });
  if (item.dataset.far) element("p", item.dataset.far, panel).className = "soft";
}

function wordsOf(item) {
  return corrected.get(item) ?? item.querySelector(".text")?.textContent ?? "";
}

function correct(item, text) {
  const said = item.querySelector(".said");
  corrected.set(item, text);
  said.replaceChildren();
  element("span", text, said).className = "text changed";
  saved = false;
  tell();
}

function tell() {
  document.getElementById("changed").textContent =
    corrected.size ? `${corrected.size} corrected${saved ? ", saved" : ", not saved yet"}` : "";
}

function unfold(item) {
  const button = item.querySelector("button.how");
  const old = item.querySelector(".panel");
  button.setAttribute("aria-expanded", String(!old));
  if (old) { old.remove(); return; }
  const panel = element("div", null, item);
  panel.className = "panel";
  numbers(item, panel);
  if (redacted) return;
  const field = element("textarea", wordsOf(item), element("label", "Words", panel));
  field.addEventListener("input", () => correct(item, field.value.replace(/\s+/g, " ").trim()));
}

// The same file as timeline.vtt, with the words that stand here; corrected ones are in no doubt.
function stamp(seconds) {
  const ms = Math.round(1000 * seconds);
  return `${clock(ms / 1000).padStart(8, "0")}.${String(ms % 1000).padStart(3, "0")}`;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function vtt() {
  const cues = items.map((item, k) => {
    const doubtful = item.querySelector(".text.doubtful") ? ".doubtful" : "";
    const words = escaped(wordsOf(item).replace(/\n(?=[^\S\n]*(\n|$))/g, " "));
    return `${stamp(starts[k])} --> ${stamp(ends[k])}\n` +
      `<v ${escaped(item.dataset.speaker)}><c.${item.dataset.marks}${doubtful}>${words}</c></v>\n`;
  });
  return ["WEBVTT\n", ...cues].join("\n");
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([vtt()], { type: "text/vtt" }));
  link.download = `${talk.dataset.name.replace(/\.[^.]*$/, "")}.corrected.vtt`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  saved = true;
  tell();
}

window.addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });
document.getElementById("save")?.addEventListener("click", save);

// ---------------------------------------------------------------- what is shown

// Finds without regard to case; the words themselves are left as they are.
function highlight(item, wanted) {
  const text = item.querySelector(".text");
  if (!text) return !wanted;
  const words = text.textContent;
  const low = words.toLowerCase();
  if (text.firstElementChild) text.textContent = words;
  if (!wanted) return true;
  if (low.length !== words.length) return low.includes(wanted);
  let from = low.indexOf(wanted);
  if (from < 0) return false;
  let done = 0;
  text.textContent = "";
  for (; from >= 0; from = low.indexOf(wanted, done)) {
    text.append(words.slice(done, from));
    done = from + wanted.length;
    element("mark", words.slice(from, done), text);
  }
  text.append(words.slice(done));
  return true;
}

function filter() {
  const allowed = (name) =>
    new Set([...document.querySelectorAll(`input[name=${name}]:checked`)].map((box) => box.value));
  const speakers = allowed("speaker");
  const feelings = allowed("feeling");
  const wanted = (find?.value ?? "").trim().toLowerCase();
  let count = 0;
  items.forEach((item, k) => {
    const holds = highlight(item, wanted);
    const fits = holds && speakers.has(item.dataset.speaker) && feelings.has(item.dataset.feeling);
    item.hidden = !fits;
    bits[k].classList.toggle("dim", !fits);
    count += fits;
  });
  if (shown) shown.textContent = `${count} of ${items.length} segments shown`;
}

for (const box of document.querySelectorAll(".filters input")) box.addEventListener("change", filter);
find?.addEventListener("input", filter);

// ---------------------------------------------------------------- mouse and keys

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.play, button.how");
  if (button?.matches(".play")) play(Number(button.dataset.k), "alone" in button.dataset);
  else if (button) {
    unfold(button.closest("li"));
    // Space is for the playback again, but for those who came here by keyboard.
    if (event.detail) button.blur();
  }
  const row = event.target.closest(".stage .row");
  if (!row) return;
  const box = row.getBoundingClientRect();
  seek((length * (event.clientX - box.left)) / box.width);
});

let swallow = false;
document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (at.closest("textarea, select, audio, summary, input:not([type=range])")) return;
  const act = {
    j: () => neighbour(1),
    k: () => neighbour(-1),
    "/": () => find?.focus(),
    ArrowRight: () => seek(Number(slider.value) + 5),
    ArrowLeft: () => seek(Number(slider.value) - 5),
  }[event.key];
  if (act && !(at === slider && event.key.startsWith("Arrow"))) { act(); event.preventDefault(); return; }
  if (event.key !== " ") return;
  // On a button that plays what is heard already, Space pauses; any other button is pressed.
  const button = at.closest("button");
  if (button && !(button.matches(".play") && now.includes(items[button.dataset.k]))) return;
  toggle();
  swallow = true;
  event.preventDefault();
});
document.addEventListener("keyup", (event) => {
  // Browsers press a button when Space is let go.
  if (swallow && event.key === " ") event.preventDefault();
  swallow = false;
});

function lost() { document.getElementById("lost").hidden = false; }
audio.addEventListener("error", lost);
if (audio.error) lost();
document.getElementById("choose").addEventListener("change", (event) => {
  const file = event.target.files[0];
  if (!file) return;
  audio.src = URL.createObjectURL(file);
  document.getElementById("lost").hidden = true;
});
filter();
show(0);
