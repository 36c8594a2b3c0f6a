"use strict";
const audio = document.querySelector("audio");
const items = [...document.querySelectorAll("ol.talk li")];
const bits = new Map([...document.querySelectorAll(".bit")].map((bit) => [bit.dataset.k, bit]));
const slider = document.getElementById("slider");
const needle = document.querySelector(".needle");
const follow = document.getElementById("follow");
const shown = document.getElementById("shown");
const length = Number(slider.max);
const starts = items.map((item) => Number(item.dataset.start));
const ends = items.map((item) => Number(item.dataset.end));
let last = "";

function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (value) => String(value).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function show(time) {
  slider.value = time;
  slider.setAttribute("aria-valuetext", clock(time));
  needle.style.left = `${(100 * time) / length}%`;
  const now = items.filter((item, k) => starts[k] <= time && time < ends[k]);
  const names = now.map((item) => item.dataset.k).join();
  if (names === last) return;
  last = names;
  for (const item of items) {
    const here = now.includes(item);
    item.classList.toggle("here", here);
    if (here) item.firstElementChild.setAttribute("aria-current", "true");
    else item.firstElementChild.removeAttribute("aria-current");
  }
  const first = now.find((item) => !item.hidden);
  if (first && follow.checked && !audio.paused) first.scrollIntoView({ block: "center" });
}

function seek(time) {
  const to = Math.min(Math.max(time, 0), length);
  audio.currentTime = to;
  show(to);
}

function neighbour(step) {
  const open = items.filter((item) => !item.hidden);
  const time = Number(slider.value);
  const next = step > 0
    ? open.find((item) => Number(item.dataset.start) > time + 0.01)
    : open.filter((item) => Number(item.dataset.start) < time - 0.5).pop();
  if (next) seek(Number(next.dataset.start));
}

function filter() {
  const allowed = (name) =>
    new Set([...document.querySelectorAll(`input[name=${name}]:checked`)].map((box) => box.value));
  const speakers = allowed("speaker");
  const feelings = allowed("feeling");
  let count = 0;
  for (const item of items) {
    const fits = speakers.has(item.dataset.speaker) && feelings.has(item.dataset.feeling);
    item.hidden = !fits;
    bits.get(item.dataset.k).classList.toggle("dim", !fits);
    count += fits;
  }
  shown.textContent = `${count} of ${items.length} segments shown`;
}

document.querySelector("ol.talk").addEventListener("click", (event) => {
  const item = event.target.closest("li");
  if (!item) return;
  seek(Number(item.dataset.start));
  audio.play().catch(() => {});
});
document.querySelector(".stage").addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row) return;
  const box = row.getBoundingClientRect();
  seek((length * (event.clientX - box.left)) / box.width);
});
slider.addEventListener("input", () => seek(Number(slider.value)));
audio.addEventListener("timeupdate", () => show(audio.currentTime));
for (const box of document.querySelectorAll(".filters input")) box.addEventListener("change", filter);
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, audio, summary") || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = { j: () => neighbour(1), k: () => neighbour(-1), ArrowRight: () => seek(Number(slider.value) + 5), ArrowLeft: () => seek(Number(slider.value) - 5) }[event.key];
  if (act) { act(); event.preventDefault(); return; }
  if (event.key === " " && !event.target.closest("button")) {
    if (audio.paused) audio.play().catch(() => {}); else audio.pause();
    event.preventDefault();
  }
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
