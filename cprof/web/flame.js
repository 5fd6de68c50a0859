"use strict";
// Draws data, as profile.js and _flametree.py make it, into the elements of flame.html. Once a page.
// A page whose profile is fetched anew at each load is `live`, and may say in `empty` why there is nothing to draw.
function flame(data) {
const $ = id => document.getElementById(id);
$("flame").hidden = false;
const NAME = 0, FILE = 1, LINE = 2, BINARY = 3, HUE = 4, INLINED = 5;
const ROW = 22, SMALLEST = 0.5, PAD = 5, SLIDE_MS = 160;
const frames = data.frames, frameOf = data.frame, parentOf = data.parent, count = frameOf.length;
const signed = data.widths !== null;
const canvas = $("graph"), scroll = $("scroll"), pen = canvas.getContext("2d");
const oklch = window.CSS && CSS.supports("color", "oklch(0.8 0.1 20)");

// The tree: children by node, depth, and per sample type the place [x, x + w] within [0, 1].
const kids = Array.from({length: count}, () => []);
const depth = new Int32Array(count);
for (let i = 1; i < count; i++) { kids[parentOf[i]].push(i); depth[i] = depth[parentOf[i]] + 1; }
const x = new Float64Array(count), w = new Float64Array(count);
let order = [], after = new Int32Array(count);  // preorder, and where each subtree ends in it

const state = {type: data.type, zoom: 0, search: "", theme: ""};
let selected = -1, hovered = -1, view = [0, 1], slide = null, pending = false, drawn = 0;
let matches = null, textWidths = new Map(), shortNames = new Map();

const nameOf = i => i === 0 ? "all" : frames[frameOf[i]][NAME];
const values = () => data.values[state.type];
const widths = () => (signed ? data.widths : data.values)[state.type];

function place() {
  const size = widths(), whole = size[0] || 1;
  order = []; x[0] = 0; w[0] = size[0] ? 1 : 0;
  const waiting = [0];
  while (waiting.length) {
    const node = waiting.pop();
    order.push(node);
    const below = kids[node].sort((a, b) => size[b] - size[a] || a - b);
    let at = x[node];
    for (const kid of below) { x[kid] = at; w[kid] = size[kid] / whole; at += w[kid]; }
    for (let k = below.length; k--;) waiting.push(below[k]);
  }
  const ends = [];
  for (let k = 0; k <= order.length; k++) {
    while (ends.length && (k === order.length || depth[order[ends[ends.length - 1]]] >= depth[order[k]]))
      after[ends.pop()] = k;
    ends.push(k);
  }
}

// --- words -------------------------------------------------------------------------------------

function number(value) { return value.toLocaleString("en-US", {maximumFractionDigits: 2}); }
function worded(value, kind) {
  const t = data.types[kind], v = value * t.factor, size = Math.abs(v);
  const scaled = (units, plain) => {
    for (const [unit, factor] of units)
      if (size >= factor) return number(Number((v / factor).toPrecision(4))) + " " + unit;
    return plain;
  };
  if (t.unit === "B") return scaled([["TB", 2 ** 40], ["GB", 2 ** 30], ["MB", 2 ** 20], ["kB", 1024], ["B", 1]], "0 B");
  if (t.unit === "s") return scaled([["h", 3600], ["s", 1], ["ms", 1e-3], ["µs", 1e-6], ["ns", 1e-9]], "0 s");
  return number(v) + (t.unit ? " " + t.unit : "");
}
function value(i) {
  const text = worded(values()[i], state.type);
  return signed && values()[i] > 0 ? "+" + text : text;
}
function percent(part, whole) {
  const p = whole ? Math.abs(part / whole) * 100 : 0;
  return (p >= 99.95 ? "100" : p >= 10 ? p.toFixed(1) : p >= 0.01 || p === 0 ? p.toFixed(2) : "<0.01") + "%";
}
function whereOf(i) {
  if (i === 0) return "";
  const f = frames[frameOf[i]];
  const file = f[FILE] ? f[FILE] + (f[LINE] ? ":" + f[LINE] : "") : "";
  return [file, f[BINARY]].filter(Boolean).join("  ·  ");
}
function selfOf(i) { return values()[i] - kids[i].reduce((sum, k) => sum + values()[k], 0); }

// Full name, then without arguments and templates, then the last part: the longest that fits.
function spellings(frame) {
  let known = shortNames.get(frame);
  if (!known) {
    const full = frames[frame][NAME];
    let bare = full.replace(/\(anonymous namespace\)::/g, "");
    for (let old = ""; old !== bare;) { old = bare; bare = bare.replace(/<[^<>]*>/g, ""); }
    bare = bare.replace(/(?!^)\([^()]*\)( const)?$/, "");
    const last = bare.replace(/^.*(::|\/)(?=[^:\/]+$)/, "");
    known = [...new Set([full, bare, last, last.replace(/^.*\.(?=[^.)]+$)/, "")])].filter(Boolean);
    shortNames.set(frame, known);
  }
  return known;
}
function measure(text) {
  const key = pen.font + text;
  let width = textWidths.get(key);
  if (width === undefined) { width = pen.measureText(text).width; textWidths.set(key, width); }
  return width;
}
function fitted(frame, room) {
  const texts = spellings(frame);
  for (const text of texts) if (measure(text) <= room) return text;
  const text = texts[texts.length - 1];
  let letters = Math.min(text.length - 1, Math.ceil(room / (measure(text) / text.length)));
  while (letters >= 2 && measure(text.slice(0, letters) + "…") > room) letters--;
  return letters >= 2 ? text.slice(0, letters) + "…" : "";
}

// --- colours -----------------------------------------------------------------------------------

let dark = false, ink = "", page = "", colours = [], neutral = "";
function hue(h, light, chroma) {
  return oklch ? `oklch(${light} ${chroma} ${h})` : `hsl(${h} ${chroma * 420}% ${light * 95}%)`;
}
function dress() {
  const system = window.matchMedia && matchMedia("(prefers-color-scheme: dark)").matches;
  dark = state.theme ? state.theme === "dark" : system;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const style = getComputedStyle(document.documentElement);
  ink = dark ? "#f4f1ec" : "#221f1b";
  page = style.getPropertyValue("--page");
  neutral = dark ? "#3a3d43" : "#e3dfd8";
  colours = frames.map((f, i) => {
    if (/^[<\[]/.test(f[NAME])) return neutral;
    const step = (i * 7 % 5 - 2) * 0.011;  // neighbours of one package stay apart
    return dark ? hue(f[HUE], 0.45 + step, 0.075) : hue(f[HUE], 0.845 + step, 0.085);
  });
}
function colourOf(i) {
  if (i === 0) return neutral;
  if (!signed) return colours[frameOf[i]];
  const size = widths()[i], share = size ? values()[i] / size : 0, strength = Math.abs(share);
  if (strength < 0.005) return neutral;
  return dark ? hue(share > 0 ? 28 : 250, 0.33 + 0.17 * strength, 0.03 + 0.11 * strength)
    : hue(share > 0 ? 28 : 250, 0.93 - 0.18 * strength, 0.02 + 0.12 * strength);
}

// --- drawing -----------------------------------------------------------------------------------

function draw() {
  pending = false;
  const ratio = window.devicePixelRatio || 1;
  const wide = Math.max(1, scroll.clientWidth - 28), high = Math.max(1, scroll.clientHeight);
  if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
    canvas.width = Math.round(wide * ratio); canvas.height = Math.round(high * ratio);
    canvas.style.height = high + "px";
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = page; pen.fillRect(0, 0, wide, high);
  pen.textBaseline = "middle";
  if (slide) {
    const t = Math.min(1, (performance.now() - slide.began) / SLIDE_MS), e = 1 - (1 - t) ** 3;
    view = [0, 1].map(k => slide.from[k] + (slide.to[k] - slide.from[k]) * e);
    if (t < 1) redraw(); else slide = null;
  }
  const scale = wide / (view[1] - view[0] || 1), top = scroll.scrollTop;
  const slivers = [];
  let deepest = 0;
  drawn = 0;
  for (let k = 0; k < order.length;) {
    const i = order[k], left = (x[i] - view[0]) * scale, width = w[i] * scale;
    if (left + width <= 0 || left >= wide) { k = after[k]; continue; }
    const y = depth[i] * ROW - top;
    if (width < SMALLEST) {  // a row of slivers becomes one grey line, not a hole
      const column = Math.floor(left);
      if (width > 0 && slivers[depth[i]] !== column && y > -ROW && y < high) {
        slivers[depth[i]] = column;
        pen.globalAlpha = 0.55; pen.fillStyle = neutral;
        pen.fillRect(column, y, 1, ROW - 1);
        pen.globalAlpha = 1;
      }
      k = after[k]; continue;
    }
    if (depth[i] > deepest) deepest = depth[i];
    if (y > -ROW && y < high) box(i, Math.max(0, left), Math.min(wide, left + width), y);
    k++;
  }
  const space = (deepest + 2) * ROW - high;
  $("space").style.height = Math.max(0, space) + "px";
  document.body.dataset.boxes = drawn;
}
function box(i, left, right, y) {
  drawn++;
  const width = Math.max(right - left - 1, 0.5), tall = ROW - 1, frame = frameOf[i];
  const hit = matches && i > 0 && matches[frame];
  const above = depth[i] < depth[state.zoom];
  pen.globalAlpha = matches && !hit ? (dark ? 0.42 : 0.38) : above ? 0.62 : 1;
  pen.fillStyle = hit ? (dark ? "#a13c8e" : "#f3a6e2") : colourOf(i);
  pen.beginPath();
  if (width > 4 && pen.roundRect) pen.roundRect(left, y, width, tall, Math.min(3, width / 4));
  else pen.rect(left, y, width, tall);
  pen.fill();
  const inlined = i > 0 && frames[frame][INLINED];
  if (inlined && width > 8) {
    pen.strokeStyle = ink; pen.globalAlpha *= 0.45; pen.lineWidth = 1; pen.setLineDash([3, 3]);
    pen.beginPath(); pen.moveTo(left + 3, y + 0.5); pen.lineTo(left + width - 3, y + 0.5); pen.stroke();
    pen.setLineDash([]); pen.globalAlpha /= 0.45;
  }
  const twin = hovered > 0 && i > 0 && frame === frameOf[hovered] && width > 3;
  if (i === selected || i === hovered || twin) {
    pen.strokeStyle = ink; pen.lineWidth = i === selected || i === hovered ? 1.6 : 0.8;
    pen.globalAlpha = 1;
    pen.stroke(roundedPath(left + 0.8, y + 0.8, width - 1.6, tall - 1.6));
  }
  if (width < 26) { pen.globalAlpha = 1; return; }
  pen.font = (inlined ? "italic " : i === 0 ? "600 " : "") + "12px " + "system-ui, -apple-system, sans-serif";
  const room = width - 2 * PAD;
  const text = i === 0 ? (room > 60 ? `all  ${value(0)}` : "all") : fitted(frame, room);
  if (text) {
    if (matches && !hit) pen.globalAlpha = 0.7;
    pen.fillStyle = ink;
    pen.fillText(text, left + PAD, y + tall / 2 + 0.5);
  }
  pen.globalAlpha = 1;
}
function roundedPath(left, y, width, tall) {
  const path = new Path2D();
  if (width > 4 && path.roundRect) path.roundRect(left, y, width, tall, Math.min(3, width / 4));
  else path.rect(left, y, Math.max(width, 0.5), tall);
  return path;
}
function redraw() { if (!pending) { pending = true; requestAnimationFrame(draw); } }

// --- state: it lives in the fragment, so that a link shows what its sender saw --------------------

function pathTo(i) { const path = []; for (; i >= 0; i = parentOf[i]) path.unshift(i); return path; }
function named(name) {  // the widest box of a function
  let best = 0;
  for (let i = 1; i < count; i++)
    if (frames[frameOf[i]][NAME] === name && (best === 0 || w[i] > w[best])) best = i;
  return best;
}
// "12" or "12:parse" or "parse": the number where it is still that function's box, else the widest box of the name.
function zoomed(text) {
  const [, place, name] = /^(?:(\d+)(?::|$))?(.*)$/s.exec(text);
  const known = place !== undefined && Number(place) < count;
  if (known && (!name || nameOf(Number(place)) === name)) return Number(place);
  return name ? named(name) : 0;
}
function read() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const type = data.types.findIndex(t => t.name === asked.get("type"));
  const theme = asked.get("theme") || "";
  const kind = type < 0 ? data.type : type;
  if (kind !== state.type) { state.type = kind; place(); }
  const zoom = asked.get("zoom") || "0";
  state.zoom = zoomed(zoom);
  state.search = asked.get("search") || "";
  state.theme = theme === "dark" || theme === "light" ? theme : "";
  $("search").value = state.search;
  apply(false);
}
function write(push) {
  const said = new URLSearchParams();
  if (state.type !== data.type) said.set("type", data.types[state.type].name);
  if (state.zoom) said.set("zoom", data.live ? `${state.zoom}:${nameOf(state.zoom)}` : state.zoom);
  if (state.search) said.set("search", state.search);
  if (state.theme) said.set("theme", state.theme);
  const text = said.toString();
  try {
    if (push) history.pushState(null, "", "#" + text);
    else history.replaceState(null, "", "#" + text);
  } catch (refused) { /* a page inside a notebook has no address to write to */ }
}
function change(what, push) {
  Object.assign(state, what);
  write(push);
  apply(true);
}
function apply(gently) {
  dress();
  $("type").value = state.type;
  search();
  const to = [x[state.zoom], x[state.zoom] + w[state.zoom]];
  if (w[state.zoom] <= 0) { to[0] = 0; to[1] = 1; }
  const still = !gently || (window.matchMedia && matchMedia("(prefers-reduced-motion: reduce)").matches);
  if (to[0] !== view[0] || to[1] !== view[1]) {
    slide = still ? null : {from: view, to, began: performance.now()};
    if (still) view = to;
  }
  crumbs(); describe();
  document.body.dataset.zoom = nameOf(state.zoom);
  document.body.dataset.type = data.types.length ? data.types[state.type].name : "";
  $("reset").disabled = !state.zoom && !state.search;
  const from = depth[state.zoom] * ROW;
  redraw();
  if (from < scroll.scrollTop || from > scroll.scrollTop + scroll.clientHeight - 3 * ROW)
    scroll.scrollTop = Math.max(0, from - 3 * ROW);
}
function search() {
  const text = state.search, field = $("search");
  field.classList.remove("wrong"); field.title = "";
  matches = null; $("match").textContent = "";
  delete document.body.dataset.matched;
  if (!text) return;
  const flags = /[A-Z]/.test(text) ? "" : "i";
  let pattern;
  try { pattern = new RegExp(text, flags); } catch (why) {
    field.classList.add("wrong"); field.title = "Not a regular expression: searched as plain text";
    pattern = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), flags);
  }
  matches = frames.map(f => pattern.test(f[NAME]) || (f[FILE] !== "" && pattern.test(f[FILE])));
  let sum = 0, boxes = 0;
  for (let k = 0; k < order.length;) {  // a match inside a match is not counted again
    const i = order[k];
    if (i > 0 && matches[frameOf[i]]) { sum += widths()[i]; boxes++; k = after[k]; } else k++;
  }
  const said = percent(sum, widths()[0]);
  $("match").textContent = boxes ? `matched ${said}  (${worded(sum, state.type)})` : "no match";
  document.body.dataset.matched = said;
}
function crumbs() {
  const list = $("crumbs");
  list.textContent = "";
  let path = pathTo(state.zoom);
  const shown = path.length > 7 ? [...path.slice(0, 2), -1, ...path.slice(-4)] : path;
  for (const i of shown) {
    const item = document.createElement("li");
    if (i < 0) item.append("…"); else {
      const button = document.createElement("button");
      button.type = "button"; button.textContent = nameOf(i); button.title = nameOf(i);
      button.onclick = () => change({zoom: i}, true);
      item.append(button);
    }
    list.append(item);
  }
}
function describe() {
  const i = hovered >= 0 ? hovered : selected >= 0 ? selected : -1, line = $("details");
  line.textContent = "";
  if (i < 0) {
    const hint = document.createElement("span");
    hint.className = "hint";
    hint.textContent = "Hover for details, click to zoom, / to search, ? for all keys";
    line.append(hint);
    return;
  }
  const parts = [nameOf(i), value(i), percent(widths()[i], widths()[0]) + " of total"];
  if (i > 0) parts.push(percent(widths()[i], widths()[parentOf[i]]) + " of " + nameOf(parentOf[i]));
  if (i > 0 && frames[frameOf[i]][INLINED]) parts.push("inlined");
  if (whereOf(i)) parts.push(whereOf(i));
  line.textContent = parts.join("   ·   ");
}
function tip(i, event) {
  const box = $("tip");
  if (i < 0) { box.style.display = "none"; return; }
  box.textContent = "";
  const add = (tag, text) => { const made = document.createElement(tag); made.textContent = text; box.append(made); return made; };
  add("b", nameOf(i) + (i > 0 && frames[frameOf[i]][INLINED] ? "  (inlined)" : ""));
  if (whereOf(i)) add("small", whereOf(i));
  const table = add("table", "");
  const row = (...cells) => { const tr = table.insertRow(); for (const cell of cells) tr.insertCell().textContent = cell; };
  row(signed ? "change" : "value", value(i), percent(widths()[i], widths()[0]) + " of total");
  if (signed) row("grew + shrank", worded(widths()[i], state.type), "");
  if (i > 0) row("", "", percent(widths()[i], widths()[parentOf[i]]) + " of caller");
  if (!signed && selfOf(i) && kids[i].length) row("itself", worded(selfOf(i), state.type), percent(selfOf(i), widths()[0]) + " of total");
  box.style.display = "block";
  const at = box.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, innerWidth - at.width - 8);
  const below = event.clientY + 18, topmost = below + at.height > innerHeight ? event.clientY - at.height - 10 : below;
  box.style.left = Math.max(8, left) + "px"; box.style.top = Math.max(8, topmost) + "px";
}

// --- hands -------------------------------------------------------------------------------------

function under(event) {
  const area = canvas.getBoundingClientRect();
  const row = Math.floor((event.clientY - area.top + scroll.scrollTop) / ROW);
  const at = view[0] + (event.clientX - area.left) / area.width * (view[1] - view[0]);
  if (row < 0 || at < 0 || at >= w[0]) return -1;
  let i = 0;
  while (depth[i] < row) {
    const next = kids[i].find(k => at >= x[k] && at < x[k] + w[k]);
    if (next === undefined) return -1;
    i = next;
  }
  const shown = w[i] / (view[1] - view[0]) * area.width >= SMALLEST;
  return shown ? i : -1;
}
function hover(i, event) {
  tip(i, event);
  if (i === hovered) return;
  hovered = i;
  canvas.style.cursor = i >= 0 ? "pointer" : "default";
  describe(); redraw();
}
canvas.addEventListener("mousemove", event => hover(under(event), event));
canvas.addEventListener("mouseleave", event => hover(-1, event));
canvas.addEventListener("click", event => {
  const i = under(event);
  if (i < 0) return;
  selected = i;
  change({zoom: i}, i !== state.zoom);
});
scroll.addEventListener("scroll", () => { tip(-1); redraw(); });
addEventListener("resize", redraw);
addEventListener("hashchange", read);
addEventListener("popstate", read);
if (window.matchMedia) matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { dress(); redraw(); });

function select(i) {
  if (i === undefined || i < 0 || i >= count) return;
  selected = i; hovered = -1;
  // A selection must be seen: zoom out to the nearest ancestor in which it is wide enough.
  const inside = x[i] >= view[0] - 1e-12 && x[i] + w[i] <= view[1] + 1e-12;
  if (!inside && !pathTo(state.zoom).includes(i)) change({zoom: parentOf[i] < 0 ? 0 : parentOf[i]}, false);
  const y = depth[i] * ROW;
  if (y < scroll.scrollTop) scroll.scrollTop = y;
  if (y + 2 * ROW > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = y + 2 * ROW - scroll.clientHeight;
  tip(-1); describe(); redraw();
}
function nextMatch(step) {
  if (!matches) return;
  const found = order.filter(i => i > 0 && matches[frameOf[i]] && w[i] > 0);
  const at = found.indexOf(selected);
  if (found.length) select(found[at < 0 ? (step > 0 ? 0 : found.length - 1) : (at + step + found.length) % found.length]);
}
function back() {
  if (state.search) { $("search").value = ""; change({search: ""}, false); }
  else if (state.zoom) { selected = state.zoom; change({zoom: parentOf[state.zoom]}, true); }
}
const reset = () => { selected = -1; $("search").value = ""; change({zoom: 0, search: ""}, true); };
const turn = () => change({theme: dark ? "light" : "dark"}, false);
const setType = kind => { state.type = kind; place(); change({}, true); };
const keys = {
  "/": () => $("search").focus(), "Escape": back, "Backspace": back, "Home": reset, "r": reset, "t": turn,
  "?": () => $("help").showModal(), "n": () => nextMatch(1), "N": () => nextMatch(-1),
  "s": () => { if (data.types.length > 1) setType((state.type + 1) % data.types.length); },
  "Enter": () => { if (selected >= 0) change({zoom: selected}, true); },
  "ArrowUp": () => select(selected > 0 ? parentOf[selected] : 0),
  "ArrowDown": () => select(selected < 0 ? state.zoom : kids[selected].find(k => w[k] > 0)),
  "ArrowLeft": () => sibling(-1), "ArrowRight": () => sibling(1),
};
function sibling(step) {
  if (selected <= 0) return select(state.zoom);
  const all = kids[parentOf[selected]].filter(k => w[k] > 0);
  select(all[all.indexOf(selected) + step]);
}
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const tag = event.target.tagName;
  if (tag === "INPUT") {
    if (event.key === "Enter") { canvas.focus(); selected = -1; nextMatch(1); }
    if (event.key === "Escape") { back(); canvas.focus(); }
    return;
  }
  if (tag === "SELECT" || ((tag === "BUTTON" || tag === "A") && event.key === "Enter") || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
$("search").addEventListener("input", event => change({search: event.target.value}, false));
$("reset").onclick = reset;
$("theme").onclick = turn;
$("keys").onclick = () => $("help").showModal();
$("close").onclick = () => $("help").close();  // a sandboxed frame submits no form, not even this kind
$("type").onchange = event => setType(Number(event.target.value));

// --- first light -------------------------------------------------------------------------------

$("title").textContent = $("title").title = data.title;
data.types.forEach((t, i) => $("type").add(new Option(t.name, i)));
$("type").hidden = data.types.length < 2;
function seconds(ns) { return number(Number((ns / 1e9).toPrecision(4))) + " s"; }
const facts = [];
if (data.duration) facts.push("over " + seconds(data.duration));
if (data.time) facts.push(new Date(data.time / 1e6).toISOString().slice(0, 16).replace("T", " ") + " UTC");
if (data.dropped) facts.push(number(data.dropped) + " smallest boxes left out");
$("facts").textContent = facts.join("  ·  ");
$("origin").textContent = data.comments.filter(c => !c.startsWith("#")).join(" · ");
if (signed) {
  for (const [h, text] of [[28, "grew"], [250, "shrank"]]) {
    const mark = document.createElement("i");
    mark.style.background = hue(h, 0.7, 0.14);
    $("legend").append(mark, text);
  }
}
pen.font = "12px system-ui, -apple-system, sans-serif";
place();
if (data.empty) $("empty").textContent = data.empty;
if (!widths()[0]) { $("empty").hidden = false; canvas.style.display = "none"; }
read();
draw();
document.body.dataset.ready = "yes";
}
