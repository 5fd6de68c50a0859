// Keeps node busy in many places of its 90 MB, beside the library named, which is no addon: node says so when it has
// loaded it.
"use strict";
try {
  process.dlopen({ exports: {} }, process.argv[2]);
} catch (error) {
  if (!/self-register/.test(error.message)) throw error;
}
let seed = 1;
const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
function round() {
  const make = new Function("a", `let s = ${random(1e6)}; for (const x of a) s += x.length; return s;`);
  const words = Array.from({ length: 2000 }, () => random(1e9).toString(36));
  const text = JSON.stringify({ words, made: make(words) });
  JSON.parse(text).words.sort().reverse();
  text.replace(/[a-f]+(\d*)/g, (m, d) => d + m).split(/,/).map((w) => w.normalize("NFD").localeCompare("m"));
  require("zlib").gunzipSync(require("zlib").gzipSync(text));
  require("crypto").createHash("sha256").update(text).digest("hex");
  new Map(words.map((w) => [w, Buffer.from(w).toString("base64")]));
  setImmediate(round);
}
round();
