// The page's life: it reads /events, shows what came, and says when nothing comes any more.
const silentAfter = 3, anewAfter = 15; // seconds
let stream = null, heard = 0, opened = 0, paused = false, one = "";

const seconds = () => performance.now() / 1000;

function listen() {
  if (stream) stream.close();
  opened = seconds();
  const asked = one;
  stream = new EventSource("events?" + (one ? "id=" + one : "limit=20&search=" + encodeURIComponent($("search").value.trim())));
  stream.addEventListener("history", e => { past = JSON.parse(e.data); cursor = null; });
  stream.addEventListener("status", e => {
    heard = opened = seconds();
    // Of these, what has not changed is left out. Another process counts from nothing.
    const { config, warnings, marks } = now;
    const next = { config, warnings, marks, ...JSON.parse(e.data) };
    before = next.started === now.started ? now : null;
    now = next;
    past.marks = now.marks || [];
    remember(secondOf(now));
    if (!paused) show();
    else title();
    alive();
  });
  stream.addEventListener("connections", e => {
    if (asked !== one) return; // the next stream has what is asked for now
    found = JSON.parse(e.data).connections;
    if (!paused) showConnections();
  });
}

function secondOf(s) {
  const rings = s.rings || [], r = s.rates || {}, d = s.delivery || {};
  return { at: Math.floor(serverTime()), received: r.received || 0, acked: r.acked || 0, rejected: r.rejected || 0,
    p50_seconds: d.p50_seconds ?? null, p99_seconds: d.p99_seconds ?? null,
    waiting_bytes: rings.reduce((a, x) => a + x.used_bytes, 0), oldest_seconds: Math.max(0, ...rings.map(x => x.oldest_seconds || 0)) };
}

const title = () => showState(now.verdict.state, now.verdict.text + " · " + (now.host || "Ringtail"));

function show() {
  title();
  showVerdict();
  drawFigures();
  showTotals();
  showStages();
  showRings();
  showRejects();
  showCrowd();
  showKafka();
  showWarnings();
  showFoot();
  showConnections();
}

// alive says whether the server is, each second.
function alive() {
  const silent = seconds() - heard, gone = !heard ? seconds() > silentAfter : silent > silentAfter;
  document.body.classList.toggle("gone", gone);
  $("gone").hidden = !gone;
  if (!gone) return;
  showState("gone", "GONE: " + (heard ? "last heard " + duration(Math.floor(silent)).replace(".0", "") + " ago" : "never heard") + " · " + (now.host || "Ringtail"));
  put($("gone"), heard ? `The server is gone: last heard ${duration(Math.floor(silent)).replace(".0", "")} ago. These are its last figures; this page tries to reach it.`
    : "The server does not answer. This page tries to reach it.");
  put($("say"), "gone");
  // A browser tries again by itself only where a connection broke, not where it was refused or is silent.
  if (stream.readyState === EventSource.CLOSED ? seconds() - opened > 1 : seconds() - opened > anewAfter) listen();
}

let found = null; // the connections that are asked for, once they are known
const waitsFor = c => ({ reading: "is read", closing: "closing" }[c.state] || "waits for " + (c.state === "rate" ? "its rate" : c.state)) + (c.ring ? " in ring " + c.ring : "");
const age = c => duration(Math.max(0, Math.round(serverTime() - Date.parse(c.since) / 1000)));

function showConnections() {
  if (!found) return;
  if (one) {
    const c = found[0];
    put($("one-head"), "Connection " + one + (c ? "" : ": closed"));
    if (c) facts("one-facts", [["from", c.remote], ["name", c.name], ["listener", c.listener], ["open", age(c) + ", since " + new Date(c.since).toLocaleString("en-GB")],
      ["state", waitsFor(c)], ["now", rate(c.records_per_second)], ["records", whole(c.records)], ["bytes", bytes(c.bytes)], ["rejected", whole(c.rejected)], ["unacked", whole(c.unacked)]]);
    return;
  }
  table("top", [["connection"], ["from", "left"], ["name", "left"], ["listener", "left"], ["now"], ["records"], ["bytes"], ["rejected"], ["unacked"], ["age"], ["state", "left"]],
    found.map(c => ({ key: c.id, bad: !["reading", "closing"].includes(c.state), cells: [
      td => {
        const a = td.firstChild || td.appendChild(make("a", "", c.id));
        a.href = "#connection=" + c.id;
      }, c.remote, c.name || "", c.listener, rate(c.records_per_second), whole(c.records), bytes(c.bytes), whole(c.rejected), whole(c.unacked), age(c), waitsFor(c)] })));
  put($("top-none"), found.length ? "" : $("search").value.trim() ? "No open connection has that in its address or name." : "No connection is open.");
}

// openConnection shows the one that the address names: #connection=17.
function openConnection() {
  const was = one;
  one = (location.hash.match(/^#connection=(\d+)$/) || [, ""])[1];
  $("one").hidden = !one;
  if (one && one !== was) {
    $("one-facts").replaceChildren();
    $("one-facts").known = null;
    put($("one-head"), "Connection " + one);
    $("one").scrollIntoView({ block: "nearest" });
  }
  if (one !== was) ask();
}

// ask has the stream begin anew, with the connections that are asked for now.
let asking = 0;
function ask() {
  found = null;
  clearTimeout(asking);
  asking = setTimeout(listen, 200); // somebody may be typing
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").ariaPressed = String(paused);
  put($("pause"), paused ? "Paused at " + clock(new Date()) : "Pause");
  if (!paused && heard) show();
});
$("copy").addEventListener("click", e => copyText(location.href + " at " + new Date().toISOString() + "\n\n" +
  (document.body.classList.contains("gone") ? $("gone").textContent + "\n" : "") + asText($("bar")) + asText($("main")), e.target));
$("close").addEventListener("click", () => $("text").close());
$("search").addEventListener("input", ask);
addEventListener("hashchange", openConnection);
setInterval(alive, 1000);
makeFigures();
openConnection();
listen();
