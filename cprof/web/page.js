"use strict";
// The page that a profiled program serves: fetches the profile that the address asks for and draws it.
(() => {
const $ = id => document.getElementById(id);
const asked = new URLSearchParams(location.search), CPU = "profile";
const name = asked.get("p") || CPU, isCpu = name === CPU;
const seconds = isCpu ? String(Math.max(1, parseInt(asked.get("seconds"), 10) || 5)) : asked.get("seconds") || "";
const stop = new AbortController();
// A link on somebody else's page may lead here, but what costs the program something is begun by the reader.
let held = isCpu && ["cross-site", "same-site"].includes($("wait").dataset.from);

// --- the choice of what is shown -----------------------------------------------------------------

function offerTimes(chosen) {
  const cpu = $("profile").value === CPU, times = cpu ? ["1", "5", "10", "30", "60"] : ["", "1", "5", "10", "30", "60"];
  if (chosen && !times.includes(chosen)) times.push(chosen);
  $("seconds").textContent = "";
  for (const n of times) $("seconds").add(new Option(cpu ? `for ${n} s` : n ? `change in ${n} s` : "as of now", n));
  $("seconds").hidden = false;
  $("seconds").value = cpu ? chosen || "5" : chosen;
  $("again").textContent = cpu ? "Record" : "Show";
}
function offerProfiles() {
  const names = Array.from($("profile").options, option => option.value);
  if (!names.includes(name)) $("profile").add(new Option(name, name));
  $("profile").value = name;
  offerTimes(seconds);
}
$("profile").onchange = () => offerTimes("");
$("choice").onsubmit = event => {
  event.preventDefault();
  const next = new URLSearchParams({p: $("profile").value});
  if ($("seconds").value) next.set("seconds", $("seconds").value);
  if (next.get("p") === name && asked.get("type")) next.set("type", asked.get("type"));
  if (next.get("p") !== name) location.assign("?" + next);  // another profile's search and zoom mean nothing there
  else if (held) { held = false; show(); }
  else if ("?" + next === location.search) location.reload();
  else location.assign("?" + next + location.hash);
};

// --- waiting -----------------------------------------------------------------------------------

function say(text, failed) {
  $("doing").textContent = text;
  $("doing").classList.toggle("failed", failed);
  document.body.dataset.state = failed ? "failed" : "waiting";
  $("progress").hidden = $("cancel").hidden = failed;
}
function hold() {
  say("A link on another site led here. Nothing is recorded until you press Record.", false);
  $("progress").hidden = $("cancel").hidden = true;
  document.body.dataset.state = "held";
}
function wait() {
  const limit = Number(seconds) * 1000, began = performance.now();
  say(isCpu ? `Recording CPU for ${seconds} s …` : limit ? `Waiting ${seconds} s for what changes …` : "Loading …", false);
  if (!limit) return () => {};
  const look = () => {
    const part = (performance.now() - began) / limit;
    if (part < 1) $("progress").value = part; else $("progress").removeAttribute("value");
  };
  look();
  const timer = setInterval(look, 100);
  return () => clearInterval(timer);
}
$("cancel").onclick = () => stop.abort();

// --- the profile -------------------------------------------------------------------------------

// Where the page was opened with user and token in its address, fetch refuses what is relative to it; the browser knows
// both by now, and sends them by itself.
function bare(address) {
  const url = new URL(address, document.baseURI);
  url.username = url.password = "";
  return url;
}
async function fetched(address) {
  let answer, bytes;
  try {
    answer = await fetch(bare(address), {signal: stop.signal});
    bytes = new Uint8Array(await answer.arrayBuffer());
  } catch (why) {
    throw new Error(why.name === "AbortError" ? "Cancelled." : "No answer: has the program ended?\n" + why.message);
  }
  if (!answer.ok) throw new Error(`${name}: ${new TextDecoder().decode(bytes).trim() || answer.status}`);
  return bytes;
}
function emptyText() {
  if (isCpu) return `No samples: nothing used CPU in these ${seconds} s.`;
  if (seconds) return `Nothing changed in these ${seconds} s.`;
  if (name === "heap" || name === "allocs") return "No allocations recorded: heap profiling comes later.";
  if (name === "block" || name === "mutex") return "No waiting for locks recorded: profiling of locks comes later.";
  return "This profile has no samples.";
}
function offerDownload(bytes) {
  const link = $("download");
  link.href = URL.createObjectURL(new Blob([bytes], {type: "application/octet-stream"}));
  link.download = name.replace(/[^\w.-]/g, "_") + ".pb.gz";
  link.hidden = false;
}
async function show() {
  const done = wait(), query = seconds ? "?" + new URLSearchParams({seconds}) : "";
  try {
    // The elements to draw into are the offline page's own; first, since the program may end while it is recorded.
    const elements = new TextDecoder().decode(await fetched("flame.html"));
    const bytes = await fetched(`../${encodeURIComponent(name)}${query}`);
    offerDownload(bytes);
    const profile = await pprof.read(bytes);
    const data = pprof.fold(profile, pprof.typeIndex(profile, asked.get("type")));
    data.live = true;
    data.empty = emptyText();
    document.title = data.title;
    $("wait").hidden = true;
    document.body.insertAdjacentHTML("beforeend", elements);
    flame(data);
    document.body.dataset.state = "drawn";
  } catch (trouble) {
    $("wait").hidden = false;
    say(trouble.message, true);
  } finally { done(); }
}

offerProfiles();
if (held) hold(); else show();
})();
