"use strict";
// profile.proto, read and folded in the browser into what flame.js draws: the same data, by the same rules, as
// cprof/_flametree.py makes.
const pprof = (() => {
const MAX_BOXES = 100000;  // more than a screen can show at any zoom
const TWO32 = 2 ** 32, VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5;

// --- the wire ----------------------------------------------------------------------------------

class Malformed extends Error {}
const malformed = why => { throw new Malformed("not a profile: " + why); };

// One message's fields, one at a time. A number is two halves, since 64 bits do not fit a double.
class Wire {
  constructor(bytes, from, to) { Object.assign(this, {bytes, at: from, end: to, field: 0, type: 0, from: 0, to: 0, low: 0, high: 0}); }
  varint() {
    let low = 0, high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) malformed("it ends within a number");
      const byte = this.bytes[this.at++], part = byte & 127;
      if (shift < 32) low |= part << shift;
      if (shift > 28) high |= part << (shift - 32);
      else if (shift === 28) high |= part >>> 4;
      if (byte < 128) { this.low = low >>> 0; this.high = high >>> 0; return; }
    }
    malformed("a number is longer than 64 bits");
  }
  next() {
    if (this.at >= this.end) return false;
    this.varint();
    this.field = this.low >>> 3; this.type = this.low & 7;
    if (this.type === VARINT) { this.varint(); return true; }
    let length = {[FIXED64]: 8, [FIXED32]: 4}[this.type];
    if (this.type === BYTES) { this.varint(); length = this.low + this.high * TWO32; }
    if (length === undefined) malformed("unknown wire type " + this.type);
    if (length > this.end - this.at) malformed("it ends within a field");
    this.from = this.at; this.to = this.at += length;
    return true;
  }
  inside() { return new Wire(this.bytes, this.from, this.to); }
  get signed() { return (this.high | 0) * TWO32 + this.low; }
  get id() { return this.high < 2 ** 21 ? this.high * TWO32 + this.low : (BigInt(this.high) << 32n) | BigInt(this.low); }
  get hex() { return this.high ? this.high.toString(16) + this.low.toString(16).padStart(8, "0") : this.low.toString(16); }
  // A repeated number, packed or not.
  each(put) {
    if (this.type === VARINT) return put(this);
    const list = this.inside();
    while (list.at < list.end) { list.varint(); put(list); }
  }
}

// The single fields of a message by number, as signed numbers; `repeated` takes the others.
function fieldsOf(message, repeated = {}) {
  const found = {};
  while (message.next()) {
    if (repeated[message.field]) repeated[message.field](message);
    else if (message.type === VARINT) found[message.field] = message.signed;
  }
  return found;
}

// --- the profile -------------------------------------------------------------------------------

function decode(bytes) {
  const rows = {1: [], 2: [], 3: [], 4: [], 5: [], 6: []}, comments = [], whole = new Wire(bytes, 0, bytes.length);
  const put = kind => message => {
    if (message.type !== BYTES) malformed(`field ${kind} has wire type ${message.type}`);
    rows[kind].push(message.inside());
  };
  const times = [];
  const takers = {9: message => times.push(message.signed), 13: message => message.each(one => comments.push(one.signed))};
  for (const kind of Object.keys(rows)) takers[kind] = put(kind);
  const head = fieldsOf(whole, takers), utf8 = new TextDecoder("utf-8", {ignoreBOM: true});
  const strings = rows[6].map(row => utf8.decode(bytes.subarray(row.at, row.end)));
  const text = index => {
    if (!(index in strings)) malformed(`it refers to string ${index} of ${strings.length}`);
    return strings[index];
  };
  const word = (fields, number) => text(fields[number] || 0);
  if (!rows[1].length) malformed("it has no sample types");
  if (!strings.length || strings[0] !== "") malformed("its first string is not empty");
  if (times.length > 1) malformed(`${times.length} profiles are concatenated`);
  const types = rows[1].map(row => { const found = fieldsOf(row); return [word(found, 1), word(found, 2)]; });

  const numbered = (kind, what, read) => {
    const places = new Map();
    const made = rows[kind].map((row, place) => {
      let id = 0;
      const found = read(row, message => { id = message.id; });
      if (!id || places.has(id)) malformed(`${what} ${place + 1} has no id of its own`);
      places.set(id, place);
      return found;
    });
    return {rows: made, find: id => {
      const place = places.get(id);
      return place === undefined ? malformed(`it refers to ${what} ${id}, which does not exist`) : place;
    }};
  };
  const mappings = numbered(3, "mapping", (row, id) => word(fieldsOf(row, {1: id}), 5));
  const functions = numbered(5, "function", (row, id) => {
    const found = fieldsOf(row, {1: id});
    return {name: displayName(word(found, 2), word(found, 3)), file: cleanPath(word(found, 4)), line: found[5] || 0};
  });
  const locations = numbered(4, "location", (row, id) => {
    const made = {address: "0", mapping: "", lines: []};
    fieldsOf(row, {1: id, 3: one => { made.address = one.hex; },
      2: one => { if (one.id) made.mapping = mappings.rows[mappings.find(one.id)]; },
      4: one => {
        let which = 0;
        const found = fieldsOf(one.inside(), {1: message => { which = message.id; }});
        made.lines.push({of: functions.rows[functions.find(which)], line: found[2] || 0});
      }});
    return made;
  });
  const stacks = [], columns = types.map(() => []);
  for (const row of rows[2]) {
    const stack = [], values = [];
    fieldsOf(row, {1: message => message.each(one => stack.push(locations.find(one.id))),
      2: message => message.each(one => values.push(one.signed)), 3: () => {}});
    if (values.length !== types.length) malformed(`a sample has ${values.length} values for ${types.length} sample types`);
    stacks.push(stack);
    values.forEach((value, i) => columns[i].push(value));
  }
  const profile = {types, stacks, columns, locations: locations.rows, binary: mappings.rows[0] || "",
    time: times[0] || 0, duration: head[10] || 0, comments: comments.map(text), shown: word(head, 14)};
  dropFrames(profile, functions.rows, word(head, 7), word(head, 8));
  return profile;
}

async function unzipped(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  if (!window.DecompressionStream) throw new Error("this browser cannot unpack gzip (DecompressionStream)");
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

// gzipped or plain profile.proto
async function read(bytes) {
  let plain;
  try { plain = await unzipped(bytes); } catch (why) { throw new Malformed("it cannot be unpacked: " + why.message); }
  return decode(plain);
}

// By name or number; else the profile's own choice, else the last. "inuse_space" also finds "space".
function typeIndex(profile, wanted) {
  const names = profile.types.map(type => type[0]);
  if (/^\d+$/.test(wanted || "") && Number(wanted) < names.length) return Number(wanted);
  for (const name of [wanted, (wanted || "").replace(/^inuse_/, ""), profile.shown])
    if (name && names.includes(name)) return names.indexOf(name);
  return names.length - 1;
}

// Stacks are cut below the first frame, seen from the root, that the profile itself calls uninteresting; nothing
// above the first frame of the user goes.
function dropFrames(profile, functions, drop, keep) {
  if (!drop) return;
  let dropped, kept;
  try { dropped = new RegExp(`^(?:${drop})$`); kept = keep ? new RegExp(`^(?:${keep})$`) : null; } catch (unread) { return; }
  const dull = new Set(functions.filter(f => f.name && dropped.test(simpleName(f.name)) && !(kept && kept.test(simpleName(f.name)))));
  const wholly = new Set(), partly = new Set();
  profile.locations.forEach((location, place) => {
    const last = location.lines.length - 1;
    let i = last;
    while (i >= 0 && !dull.has(location.lines[i].of)) i--;
    if (i < 0) return;
    if (i === last) wholly.add(place); else { partly.add(place); location.lines.splice(0, i + 1); }
  });
  const begin = stack => {
    let userSeen = false;
    for (let i = stack.length - 1; i >= 0; i--) {
      if (wholly.has(stack[i])) { if (userSeen) return i + 1; }
      else if (partly.has(stack[i])) { if (userSeen) return i; }
      else userSeen = true;
    }
    return 0;
  };
  if (wholly.size || partly.size) profile.stacks = profile.stacks.map(stack => stack.slice(begin(stack)));
}

// --- names, as cprof/_names.py has them ----------------------------------------------------------

function displayName(name, systemName) {
  if (name && name !== systemName) return name;
  const generic = systemName.includes(".<") || systemName.includes("]).");  // Java constructors, Go generics
  if (generic || !/::|[<>[\]]/.test(systemName)) return systemName;
  return without(without(systemName, "(", ")"), "<", ">") || systemName;
}
function without(name, opening, closing) {
  let kept = "", depth = 0, begin = 0, start = 0;
  for (let i = 0; i < name.length; i++) {
    if (name[i] === opening && depth++ === 0) start = i;
    else if (name[i] === closing) {
      if (depth === 0) break;
      if (--depth === 0) { kept += name.slice(begin, start); begin = i + 1; }
    }
  }
  return kept + name.slice(begin);
}
function cleanPath(path) {
  path = path.replace(/^\/proc\/self\/cwd\/(\.\/)?/, "");
  if (!path) return "";
  const parts = [], rooted = path.startsWith("/");
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== ".." || (!rooted && !parts.length) || parts[parts.length - 1] === "..") parts.push(part);
    else parts.pop();
  }
  return (rooted ? "/" : "") + parts.join("/") || ".";
}
function baseName(path) { return path.replace(/\/+$/, "").replace(/^.*\//s, "") || (path ? "/" : "."); }
function simpleName(name) {
  name = name.replace(/^\./, "");
  for (const found of name.matchAll(/\(anonymous namespace\)|operator\(\)|\(/g))
    if (found[0] === "(") return name.slice(0, found.index);
  return name;
}
// What a frame is coloured by: package, namespace or module, else its binary.
function groupOf(name, mapping) {
  if (/^[<[]/.test(name)) return name;
  const head = name.replace(/\.(constprop|isra|part|cold|lto_priv|llvm|clone)\b.*/g, "").split(/[<([]/)[0];
  if (head.includes("::")) return head.split("::")[0].split(" ").pop();
  const dot = head.indexOf(".", head.lastIndexOf("/") + 1);
  if (dot > 0) return head.slice(0, dot);
  return mapping ? baseName(mapping) : head;
}
const CRC = Uint32Array.from({length: 256}, (_, n) => { for (let k = 8; k--;) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1; return n; });
function crc32(text) {
  let crc = -1;
  for (const byte of new TextEncoder().encode(text)) crc = CRC[(crc ^ byte) & 255] ^ crc >>> 8;
  return (crc ^ -1) >>> 0;
}

const UNITS = {B: [1, {b: 1, byte: 1}, {kb: 10, kbyte: 10, kilobyte: 10, mb: 20, mbyte: 20, megabyte: 20, gb: 30, gbyte: 30,
  gigabyte: 30, tb: 40, tbyte: 40, terabyte: 40, pb: 50, pbyte: 50, petabyte: 50}],
s: [1e9, {ns: 1, nanosecond: 1, us: 1e3, microsecond: 1e3, ms: 1e6, millisecond: 1e6, s: 1e9, sec: 1e9, second: 1e9,
  hour: 3600e9, hr: 3600e9}, {}]};
// The unit as what the page can scale: "B", "s" times a factor, or a word of its own.
function sampleType([name, unit]) {
  let alias = unit.toLowerCase();
  if (alias.length > 2 && alias.endsWith("s")) alias = alias.slice(0, -1);
  for (const base of Object.keys(UNITS)) {
    const [whole, plain, powers] = UNITS[base];
    if (Object.hasOwn(plain, alias)) return {name, unit: base, factor: plain[alias] / whole};
    if (Object.hasOwn(powers, alias)) return {name, unit: base, factor: 2 ** powers[alias]};
  }
  return {name, unit: unit === "count" ? "" : unit, factor: 1};
}

// --- the tree ----------------------------------------------------------------------------------

// The distinct frames, [name, file, line, binary, hue, inlined], and each location's, root first. Lines of one
// function are one frame: its start line stands for them, or the first that was sampled.
function framesOf(locations) {
  const known = new Map(), frames = [];
  const intern = (name, file, at, inlined, line) => {
    const key = JSON.stringify([name, file, at, inlined]);
    if (!known.has(key)) {
      known.set(key, frames.length);
      frames.push([name, file, line, at ? baseName(at) : "", crc32(groupOf(name, at)) % 360, inlined ? 1 : 0]);
    }
    return known.get(key);
  };
  const ofLocation = locations.map(({address, mapping, lines}) => {
    const where = mapping ? `[${baseName(mapping)}]` : "<unknown>";
    if (!lines.length) return [intern(address === "0" ? where : `${where} 0x${address}`, "", mapping, false, 0)];
    const found = [];
    for (let i = lines.length; i--;) {
      const {of, line} = lines[i];
      found.push(intern(of.name || where, of.file, mapping, i < lines.length - 1, of.line || line));
    }
    return found;
  });
  return {frames, ofLocation};
}

// Node 0 is the root; children come after their parents.
function grow(profile, ofLocation, frameCount) {
  const frame = [-1], parent = [-1], known = new Map();
  const leaves = profile.stacks.map(stack => {
    let node = 0;
    for (let i = stack.length; i--;)
      for (const which of ofLocation[stack[i]]) {
        const key = node * frameCount + which;
        let below = known.get(key);
        if (below === undefined) { known.set(key, below = frame.length); frame.push(which); parent.push(node); }
        node = below;
      }
    return node;
  });
  const sums = column => {
    const sum = new Array(frame.length).fill(0);
    leaves.forEach((leaf, i) => { sum[leaf] += column[i]; });
    for (let node = sum.length - 1; node > 0; node--) sum[parent[node]] += sum[node];
    return sum;
  };
  const values = profile.columns.map(sums);
  const signed = profile.columns.some(column => column.some(value => value < 0));
  return {frame, parent, values, widths: signed ? profile.columns.map(column => sums(column.map(Math.abs))) : null};
}

// Nodes in preorder, wider siblings first. Above MAX_BOXES the lightest go: a node counts by its largest share of any
// sample type.
function preorder({frame, parent, values, widths}, index) {
  const sizes = widths || values, count = frame.length, below = frame.map(() => []), width = sizes[index];
  let keep = () => true;
  if (count > MAX_BOXES) {
    const share = frame.map((_, node) => sizes.reduce((most, size) => Math.max(most, size[node] / (size[0] || 1)), 0));
    const least = Float64Array.from(share).sort()[count - 1 - MAX_BOXES];
    if (least) keep = node => share[node] > least;
  }
  for (let node = 1; node < count; node++) if (keep(node)) below[parent[node]].push(node);
  const order = [], parents = [], waiting = [[0, -1]];
  while (waiting.length) {
    const [node, above] = waiting.pop(), place = order.length;
    order.push(node); parents.push(above);
    below[node].sort((a, b) => width[a] - width[b] || frame[b] - frame[a]);
    for (const child of below[node]) waiting.push([child, place]);
  }
  return {order, parents, dropped: count - order.length};
}

// What flame() draws, shown first for the sample type at index.
function fold(profile, index) {
  const {frames, ofLocation} = framesOf(profile.locations);
  const tree = grow(profile, ofLocation, frames.length);
  const {order, parents, dropped} = preorder(tree, index);
  const inOrder = columns => columns.map(column => order.map(node => column[node]));
  const name = profile.types[index][0];
  return {
    title: profile.binary ? `${baseName(profile.binary)}: ${name}` : name,
    types: profile.types.map(sampleType), type: index, frames,
    frame: order.map(node => tree.frame[node]), parent: parents,
    values: inOrder(tree.values), widths: tree.widths && inOrder(tree.widths), dropped,
    duration: profile.duration, time: profile.time, comments: profile.comments,
  };
}

return {read, typeIndex, fold};
})();
