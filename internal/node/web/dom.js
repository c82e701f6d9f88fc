"use strict";
// What the page is made of. Text of others (names, samples, errors) gets in by textContent alone.
const $ = id => document.getElementById(id);

function make(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function put(node, text) {
  if (node.textContent !== String(text)) node.textContent = text;
}

function svg(name, attributes) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) e.setAttributeNS(null, k, v);
  return e;
}

// keyed lets a parent have one child a key, in that order. Children stay the same nodes, so that what
// is selected or focused stays so while figures move.
function keyed(parent, keys, create) {
  parent.known ||= new Map();
  const known = parent.known, wanted = new Set(keys);
  for (const [key, node] of known) if (!wanted.has(key)) { node.remove(); known.delete(key); }
  let at = parent.firstChild;
  return keys.map(key => {
    if (!known.has(key)) known.set(key, create(key));
    const node = known.get(key);
    if (node === at) at = at.nextSibling; else parent.insertBefore(node, at);
    return node;
  });
}

// table shows rows {key, bad, cells}; a cell is a text, or a function that fills its td. A head is
// [text, class]. Without rows the table is empty.
function table(id, heads, rows) {
  const t = $(id);
  if (!rows.length) { t.replaceChildren(); return; }
  if (!t.tBodies.length) {
    const row = t.createTHead().insertRow();
    t.role = "table"; t.tHead.role = "rowgroup"; row.role = "row"; // on a phone its display is a block's
    for (const [text, className] of heads) {
      const th = row.appendChild(make("th", className, text));
      th.scope = "col"; th.role = "columnheader";
    }
    t.createTBody().role = "rowgroup";
  }
  const made = keyed(t.tBodies[0], rows.map(r => r.key), () => {
    const row = make("tr");
    row.role = "row";
    for (const [text, className] of heads) {
      const td = row.appendChild(make("td", className));
      td.dataset.head = text; td.role = "cell";
    }
    return row;
  });
  rows.forEach((r, i) => {
    made[i].className = r.bad ? "bad" : "";
    r.cells.forEach((c, k) => typeof c === "function" ? c(made[i].cells[k]) : put(made[i].cells[k], c));
  });
}

// facts shows [name, text] in a dl; what has no text is left out.
function facts(id, pairs) {
  const shown = pairs.filter(p => p[1] !== "" && p[1] !== undefined && p[1] !== null);
  const nodes = keyed($(id), shown.flatMap(p => [p[0] + "/dt", p[0]]), key => make(key.endsWith("/dt") ? "dt" : "dd"));
  shown.forEach((p, i) => { put(nodes[2 * i], p[0]); put(nodes[2 * i + 1], p[1]); });
}

const whole = n => Math.round(n || 0).toLocaleString("en");
const plural = (n, word) => whole(n) + " " + word + (n === 1 ? "" : "s");
const rate = n => ((n || 0) < 10 && n % 1 ? n.toFixed(1) : whole(n)) + " /s";
const percent = part => (part > 0 && part < .01 ? "< 1" : Math.round(100 * (part || 0))) + " %";
const clock = date => date.toLocaleTimeString("en-GB");

function bytes(n) {
  let i = 0;
  for (n = n || 0; n >= 1024 && i < 4; i++) n /= 1024;
  return (i && n < 100 ? n.toFixed(1) : Math.round(n)) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][i];
}

// two says a time in two units: 4 min 12 s.
function two(s, big, bigName, small, smallName) {
  const rest = Math.floor(s % big / small);
  return Math.floor(s / big) + " " + bigName + (rest ? " " + rest + " " + smallName : "");
}

function duration(s) {
  if (s === null || s === undefined) return "";
  if (!s) return "0 s";
  if (s < .0995) return (1000 * s).toFixed(s < .00995 ? 1 : 0) + " ms";
  if (s < 1) return Math.round(1000 * s) + " ms";
  if (s < 60) return (s < 10 ? s.toFixed(1) : Math.round(s)) + " s";
  s = Math.round(s);
  if (s < 3600) return two(s, 60, "min", 1, "s");
  if (s < 86400) return two(s, 3600, "h", 60, "min");
  return two(s, 86400, "d", 3600, "h");
}

// copyText copies, also where the page came by plain HTTP from another machine, which has no
// navigator.clipboard. Where nothing copies, a dialog shows the text.
function copyText(text, button) {
  const area = $("text-area"), box = $("text"), label = button.textContent;
  area.value = text;
  box.show();
  area.select();
  const copied = document.execCommand("copy");
  box.close();
  if (!copied) { box.showModal(); area.select(); return; }
  button.focus();
  if (button.said) return;
  button.said = true;
  button.textContent = "Copied";
  $("say").textContent = "Copied";
  setTimeout(() => { button.textContent = label; button.said = false; }, 1500);
}

// asText is a part of the page as text: heads underlined, the cells of tables in columns.
function asText(root) {
  const lines = [];
  for (const e of root.querySelectorAll("h1, h2, h3, p, li, dt, table, figcaption, pre")) {
    if (e.closest("[hidden], dialog, nav, .unseen, .readout, td") || !e.textContent.trim()) continue;
    if (e.tagName === "TABLE") lines.push(...tableText(e), "");
    else if (e.tagName === "DT") lines.push(e.textContent + ": " + e.nextSibling.textContent);
    else if (e.tagName === "FIGCAPTION") lines.push([...e.children].map(c => c.textContent).join(": "));
    else if (/H[123]/.test(e.tagName)) lines.push("", e.textContent, "-".repeat(e.textContent.length));
    else lines.push([...e.childNodes].filter(n => n.tagName !== "BUTTON").map(n => n.textContent).join("").trim());
  }
  return lines.join("\n").replaceAll("\u00a0", " ").trim() + "\n";
}

function tableText(t) {
  const text = cell => [...cell.childNodes].filter(n => n.tagName !== "BUTTON").map(n => n.title || n.textContent).join("").trim();
  const rows = [...t.rows].map(r => [...r.cells].map(text));
  const widths = rows[0].map((_, i) => Math.max(...rows.map(r => r[i].length)));
  return rows.map(r => r.map((c, i) => c.padEnd(widths[i])).join("  ").trimEnd());
}
