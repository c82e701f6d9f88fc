// The parts of the page, each from what /status says: now.
let now = {}, before = null; // the last status, and the one before it

const serverTime = () => Date.parse(now.started) / 1000 + now.uptime_seconds; // clocks differ
const ago = at => {
  const s = serverTime() - Date.parse(at) / 1000;
  return s < 1 ? "now" : duration(Math.floor(s)).replace(".0", "") + " ago";
};
const sum = counts => Object.values(counts || {}).reduce((a, b) => a + b, 0);
const byReason = counts => Object.entries(counts || {}).filter(c => c[1]).map(c => c[0] + " " + whole(c[1])).join(", ") || "none";
const trouble = t => t ? t.text + ", " + ago(t.at) : "";
const list = l => l && l.length ? l.join(", ") : "none";

// Shapes, so that a state is not told by colour alone: a tick, a triangle, an octagon, a person …
const shapes = {
  ok: "M4 13l5 6L20 5", slow: "M12 3l10 18H2zM12 9v6M12 17.5v1.5", stuck: "M8 2h8l6 6v8l-6 6H8l-6-6V8zM8 8l8 8M16 8l-8 8",
  clients: "M12 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-9 16-9 16 0z", starting: "M7 3l12 9-12 9z", draining: "M12 3v13M5 10l7 8 7-8M3 21h18",
  gone: "M8 8a4 4 0 1 1 5 4c-1 .5-1 1-1 3M12 18v2",
};
const colours = { ok: "#146c2e", slow: "#8a5300", stuck: "#b3141d", clients: "#5b3fb5" };

function showState(state, title) {
  document.title = title;
  $("bar").className = state;
  if ($("shape").dataset.state === state) return;
  $("shape").dataset.state = state;
  const path = shapes[state] || shapes.gone;
  const picture = svg("svg", { viewBox: "0 0 24 24" });
  picture.append(svg("path", { d: path, fill: "none", stroke: "#fff", "stroke-width": 2.4, "stroke-linecap": "round", "stroke-linejoin": "round" }));
  $("shape").replaceChildren(picture);
  $("icon").href = "data:image/svg+xml," + encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="${
    colours[state] || "#4a505a"}"/><path d="${path}" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" transform="translate(3 3) scale(.75)"/></svg>`);
}

function showVerdict() {
  const v = now.verdict, full = v.rings_full_in_seconds;
  put($("verdict"), v.text);
  put($("facts"), [
    "since " + clock(new Date(v.since)) + " (" + duration(Math.max(0, Math.floor(serverTime() - Date.parse(v.since) / 1000))).replace(".0", "") + ")",
    full === null || full === undefined ? "rings do not fill" : full ? "rings full in " + duration(full) : "a ring is full",
    whole(v.waiting) + " of " + plural(v.connections, "client") + (v.waiting === 1 ? " waits" : " wait"),
  ].join(" · "));
  put($("advice"), v.advice || "");
  put($("say"), v.state); // said aloud when it changes
}

function showTotals() {
  const s = now.server || {}, rings = now.rings || [];
  const oldest = Math.max(0, ...rings.map(r => r.oldest_seconds || 0));
  [whole(s.received) + " so far", whole((now.kafka || {}).delivered) + " so far", now.delivery ? "of the last ten seconds" : "no records",
    "of " + bytes(rings.reduce((a, r) => a + r.capacity_bytes, 0)) + (oldest ? ", oldest " + duration(oldest) : ""), whole(sum(s.rejected)) + " so far",
  ].forEach((text, i) => put(figures[i].total, text));
}

function showStages() {
  const shares = (now.verdict || {}).stages || {}, stages = ["socket", "parse", "ring", "writer", "broker"];
  const words = { socket: "socket: not read yet", parse: "parse", ring: "ring", writer: "writer", broker: "broker" };
  keyed($("strip"), stages, s => make("div", s)).forEach((e, i) => { e.style.flexGrow = shares[stages[i]] || 0; });
  keyed($("stages"), stages, s => {
    const li = make("li");
    li.append(make("i", s), make("span"));
    return li;
  }).forEach((li, i) => put(li.lastChild, words[stages[i]] + " " + percent(shares[stages[i]])));
}

// stuck is a shard whose records wait and of which none comes through.
const stuck = r => r.oldest_seconds >= 3 && !r.out_per_second;

function fill(r) {
  const part = r.used_bytes / r.capacity_bytes || 0;
  return td => {
    if (!td.firstChild) {
      td.append(make("div", "gauge"));
      td.firstChild.append(make("div"), make("span"));
      td.firstChild.firstChild.append(make("div"));
    }
    const [bar, text] = td.firstChild.children;
    bar.className = part >= .8 ? "fill high" : "fill";
    bar.firstChild.style.width = 100 * part + "%";
    put(text, percent(part) + ", " + bytes(r.used_bytes) + " of " + bytes(r.capacity_bytes));
  };
}

function showRings() {
  const rows = (now.rings || []).map((r, i) => ({ r, i })).sort((a, b) => stuck(b.r) - stuck(a.r) || a.i - b.i);
  table("rings", [["shard"], ["in"], ["out"], ["records"], ["fill", "wide"], ["oldest"], ["full in"], ["partition → leader", "left"], ["last error", "text"]],
    rows.map(({ r }) => ({ key: r.name, bad: stuck(r), cells: [
      stuck(r) ? r.name + " stuck" : r.name, rate(r.in_per_second), rate(r.out_per_second), whole(r.records), fill(r),
      r.oldest_seconds ? duration(r.oldest_seconds) : "–", r.full_in_seconds === 0 ? "is full" : duration(r.full_in_seconds) || "–",
      now.sink !== "kafka" ? "–" : r.partition + " → " + (r.leader < 0 ? "no\u00a0leader" : "broker\u00a0" + r.leader) + (r.state && r.state !== "running" ? ", " + r.state : ""),
      trouble(r.last_error),
    ] })));
}

const word = text => /^[\w.:,\/@-]+$/.test(text) ? text : "'" + text.replaceAll("'", `'\\''`) + "'";
function lettersCommand(reason) {
  const c = `ringtail consume --brokers ${word(now.brokers)} --topic ${word(now.config["dead-letter-topic"])} --from beginning --until-end --format json`;
  return reason ? c + ` | grep '"reason":"${reason}"'` : c;
}

function copies(label, text, name) {
  return node => {
    const button = [...node.childNodes].find(n => n.tagName === "BUTTON") || node.appendChild(make("button", "", label));
    button.type = "button";
    if (name) button.ariaLabel = name;
    button.onclick = () => copyText(text(), button);
  };
}

function showRejects() {
  const counts = (now.server || {}).rejected || {}, samples = new Map((now.rejects || []).map(r => [r.reason, r]));
  const letters = (now.config || {})["dead-letter-topic"];
  const seconds = before ? now.uptime_seconds - before.uptime_seconds : 0;
  table("rejects", [["reason"], ["so far"], ["now"], ["last"], ["from", "text"], ["size"], ["its beginning", "text"], ["consume command"]],
    Object.keys(counts).filter(r => counts[r]).sort((a, b) => counts[b] - counts[a]).map(reason => {
      const s = samples.get(reason), was = before ? (before.server.rejected || {})[reason] || 0 : 0;
      return { key: reason, cells: [reason, whole(counts[reason]), seconds > 0 ? rate((counts[reason] - was) / seconds) : "",
        s ? ago(s.at) : "", s ? s.remote + " at " + s.listener : "", s ? bytes(s.bytes) : "",
        td => { if (s) put(td.firstChild || td.appendChild(make("code")), s.sample); },
        letters && reason !== "unauthorized" ? copies("Copy", () => lettersCommand(reason), "Copy the command that shows those of " + reason) : "" ] };
    }));
  const p = $("letters"), none = !sum(counts);
  if (!p.firstChild) p.append(make("span"), make("code"));
  put(p.firstChild, none ? "Nothing was rejected." : letters ? "All that is in " + letters + (now.config["kafka-property"] ? ", with the -X of your cluster added: " : ": ")
    : "Rejected records are not kept; --dead-letter-topic keeps them.");
  put(p.children[1], none || !letters ? "" : lettersCommand());
  if (!none && letters) copies("Copy command", () => lettersCommand())(p);
}

function showCrowd() {
  const s = now.server || {}, memory = s.waiting_for_memory || 0, limited = s.waiting_for_rate || 0, acks = s.waiting_for_acks || 0;
  put($("crowd"), `${whole(s.connections)} open of ${whole(s.connections_max)}, ${whole(s.waiting)} wait` +
    (s.waiting ? `: ${whole(memory)} for memory, ${whole(limited)} for their rate, ${whole(acks)} until their acks are read, ${whole(s.waiting - memory - limited - acks)} for room` : "") +
    `. Opened ${whole(s.opened)}; refused: ${byReason(s.refused)}; closed: ${byReason(s.closed)}.`);
  table("listeners", [["listener", "left"], ["open"], ["opened"], ["records"], ["bytes"], ["rejected", "text"], ["refused", "text"], ["closed", "text"]],
    (now.listeners || []).map(l => ({ key: l.listener, cells: [l.listener, whole(l.connections), whole(l.opened), whole(l.records), bytes(l.bytes),
      byReason(l.rejected), byReason(l.refused), byReason(l.closed)] })));
  const clients = s.clients || [];
  table("clients", [["client", "left"], ["connections"], ["records"], ["bytes"]], !clients.some(c => c.name) ? [] :
    clients.map(c => ({ key: c.name, cells: [c.name || "no name", whole(c.connections), whole(c.records), bytes(c.bytes)] })));
}

function showKafka() {
  const k = now.kafka || {};
  put($("target"), now.sink === "kafka" ? `${now.topic} at ${now.brokers}. Delivered ${whole(k.delivered)}, dead letters ${whole(k.dead_lettered)}, refused ${whole(k.refused)}, ` +
    `possible duplicates ${whole(k.possible_duplicates)}, writers begun anew ${whole(k.rebuilds)}.` : `No Kafka: --sink ${now.sink}.`);
  table("brokers", [["broker"], ["address", "left"], ["state", "left"], ["request p50"], ["p99"], ["under way"], ["oldest"], ["requests"], ["share of time"], ["last error", "text"]],
    (k.brokers || []).map(b => ({ key: b.id, bad: b.state === "down", cells: ["broker " + b.id, b.address, { up: "✓ up", down: "✕ down", connecting: "… connecting" }[b.state] || b.state,
      duration(b.p50_seconds), duration(b.p99_seconds), whole(b.under_way), b.under_way ? duration(b.oldest_seconds) : "–", whole(b.requests), percent(b.share), trouble(b.last_error)] })));
  table("topics", [["topic"], ["partitions"], ["replicas"], ["min.insync.replicas"], ["below it", "left"], ["not all in sync", "left"], ["largest record"], ["error", "text"]],
    (k.topics || []).map(t => ({ key: t.name, bad: !!t.error || (t.below_min || []).length > 0, cells: [t.name, whole(t.partitions), whole(t.replicas),
      t.min_insync_replicas ? whole(t.min_insync_replicas) : "?", list(t.below_min), list(t.shrunk), bytes(t.record_limit_bytes), t.error || ""] })));
}

function showWarnings() {
  const seen = new Map();
  const rows = (now.warnings || []).map(w => {
    const n = (seen.get(w.at + w.text) || 0) + 1;
    seen.set(w.at + w.text, n);
    return { key: n + " " + w.at + w.text, cells: [ago(w.at), clock(new Date(w.at)), w.text] };
  });
  table("events", [["ago"], ["at", "left"], ["warning, newest first", "text all"]], rows.reverse());
  put($("events-none"), rows.length ? "" : "None since the start.");
}

function showFoot() {
  const p = now.process || {};
  facts("foot", [["host", now.host && now.host + ", process " + now.pid], ["version", now.version],
    ["up", duration(Math.round(now.uptime_seconds)) + (now.started ? ", since " + new Date(now.started).toLocaleString("en-GB") : "")],
    ["ready", now.ready ? "yes" : "no: " + now.reason], ["listens at", (now.listen || []).join(", ")],
    ["writer", now.writer && now.writer + (now.writer_reason ? ": " + now.writer_reason : "")], ["recovered", plural(now.recovered, "record")],
    ["CPU", now.process && p.cpu_cores.toFixed(2) + " cores"], ["memory", now.process && bytes(p.memory_bytes)],
    ["descriptors", now.process && whole(p.descriptors) + " of " + whole(p.descriptors_max)], ["goroutines", now.process && whole(p.goroutines)]]);
  table("config", [["flag"], ["value", "text"]], Object.entries(now.config || {}).map(([k, v]) => ({ key: k, cells: ["--" + k, v] })));
}
