// The five figures: what is now, and a line of the last ten minutes. X is seconds, Y goes from 0 to
// the highest value shown. One cursor for all of them: what else was at that moment?
const historyMax = 600;
let past = { at: [], marks: [] }, cursor = null; // of past.at, the index that is pointed at

const figures = [
  { name: "Records in", keys: ["received"], say: rate },
  { name: "Records acked by Kafka", keys: ["acked"], say: rate },
  { name: "Delivery, p50 and p99", keys: ["p50_seconds", "p99_seconds"], say: duration },
  { name: "Waiting in rings", keys: ["waiting_bytes"], say: bytes, also: i => ", oldest " + (duration(past.oldest_seconds[i]) || "none") },
  { name: "Rejected", keys: ["rejected"], say: rate },
];
const columns = ["at", "received", "acked", "p50_seconds", "p99_seconds", "waiting_bytes", "oldest_seconds", "rejected"];

function makeFigures() {
  for (const f of figures) {
    const box = make("figure"), caption = box.appendChild(make("figcaption"));
    caption.append(make("span", "name", f.name), f.now = make("span", "now", "–"), f.total = make("span", "total"));
    f.svg = svg("svg", { viewBox: "0 0 600 100", preserveAspectRatio: "none", tabindex: 0, role: "slider",
      "aria-label": f.name + ", moment of the last ten minutes", "aria-orientation": "horizontal" });
    f.svg.append(svg("line", { x1: 0, x2: 600, y1: 99, y2: 99, class: "base" }), f.marks = svg("g", {}),
      ...(f.lines = f.keys.map((_, i) => svg("path", { class: "line" + i }))), f.cursor = svg("line", { y1: 0, y2: 100, class: "cursor" }));
    f.readout = make("p", "readout");
    box.append(f.svg, f.readout);
    f.svg.addEventListener("pointermove", e => point(f, e));
    f.svg.addEventListener("pointerdown", e => point(f, e));
    f.svg.addEventListener("pointerleave", () => { cursor = null; drawCursor(); });
    f.svg.addEventListener("blur", () => { cursor = null; drawCursor(); });
    f.svg.addEventListener("keydown", moveCursor);
    $("figure-row").append(box);
  }
}

// extent is the first second shown, and how many.
function extent() {
  const last = past.at[past.at.length - 1] || 0;
  const span = Math.min(historyMax, Math.max(60, last - (past.at[0] || 0)));
  return { from: last - span, span };
}

function point(f, e) {
  const box = f.svg.getBoundingClientRect(), { from, span } = extent();
  const at = from + span * (e.clientX - box.left) / box.width;
  cursor = null;
  past.at.forEach((t, i) => { if (cursor === null || Math.abs(t - at) < Math.abs(past.at[cursor] - at)) cursor = i; });
  drawCursor();
}

function moveCursor(e) {
  const last = past.at.length - 1, now = cursor === null ? last : cursor;
  const to = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, PageUp: now + 30, PageDown: now - 30,
    Home: 0, End: last, Escape: null }[e.key];
  if (to === undefined || last < 0) return;
  e.preventDefault();
  cursor = to === null ? null : Math.min(last, Math.max(0, to));
  drawCursor();
}

function drawFigures() {
  const { from, span } = extent();
  const x = at => 600 * (at - from) / span;
  for (const f of figures) {
    f.max = 0;
    for (const k of f.keys) for (const v of past[k] || []) if (v > f.max) f.max = v;
    f.keys.forEach((k, n) => {
      let path = "", before = null;
      (past[k] || []).forEach((v, i) => {
        if (v === null) { before = null; return; }
        const gap = before === null || past.at[i] - past.at[before] > 3;
        path += (gap ? "M" : "L") + x(past.at[i]).toFixed(1) + " " + (98 - 95 * v / (f.max || 1)).toFixed(1);
        before = i;
      });
      f.lines[n].setAttributeNS(null, "d", path);
    });
    f.marks.replaceChildren(...past.marks.filter(m => m.at >= from).map(m => svg("line", { x1: x(m.at), x2: x(m.at), y1: 0, y2: 100, class: "mark" })));
    const last = past.at.length - 1;
    if (last >= 0) put(f.now, valueOf(f, last));
  }
  keyed($("marks"), [...new Set(past.marks.filter(m => m.at >= from).slice(-8).map(m => clock(new Date(1000 * m.at)) + " ┊ " + m.text))], text => make("li", "", text));
  drawCursor();
}

const valueOf = (f, i) => f.keys.map(k => past[k][i] === null ? "–" : f.say(past[k][i])).join(" / ");

function drawCursor() {
  const { from, span } = extent(), last = past.at.length - 1;
  if (last < 0) return;
  if (cursor > last) cursor = last;
  const i = cursor === null ? last : cursor, at = past.at[i];
  const near = past.marks.filter(m => Math.abs(m.at - at) <= span / 150).map(m => m.text).join(", ");
  for (const f of figures) {
    const x = 600 * (at - from) / span, moment = clock(new Date(1000 * at)) + ": " + valueOf(f, i) + (f.also ? f.also(i) : "") + (near ? ", " + near : "");
    f.cursor.style.display = cursor === null ? "none" : "";
    f.cursor.setAttributeNS(null, "x1", x);
    f.cursor.setAttributeNS(null, "x2", x);
    put(f.readout, cursor === null ? "highest " + f.say(f.max) + " in " + (span < historyMax - 1 ? duration(span) : "10 min") : moment);
    for (const [k, v] of [["min", -span], ["max", 0], ["now", Math.round(at - from - span)], ["text", moment]]) f.svg.setAttributeNS(null, "aria-value" + k, v);
  }
}

// remember adds a second to what /history told.
function remember(second) {
  if (!(second.at > (past.at[past.at.length - 1] || 0))) return;
  for (const c of columns) {
    (past[c] ||= []).push(second[c]);
    if (past[c].length > historyMax) past[c].shift();
  }
  if (cursor > 0 && past.at.length === historyMax) cursor--;
}
