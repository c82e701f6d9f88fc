#!/usr/bin/env node
// Sends JSON records to `ringtail serve --ack kafka`, and sees each one through. Written from docs/PROTOCOL.md.
//
// At least once: a record is sent again when a connection broke before its ack was read. First copies are in order.
import fs from "node:fs";
import net from "node:net";
import readline from "node:readline";
import tls from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const WRITE_BYTES = 64 << 10;
const ANSWER_BYTES_MAX = 4096; // far more than any

/** What no patience mends: the Client ends with it. */
export class Fatal extends Error {}

/** tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH as what net.connect takes. */
function parse(text) {
  const [, kind, path] = /^(tcp|tls|unix):\/\/(.+)$/.exec(text) ?? [];
  if (kind === "unix") return { text, path };
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(path ?? "") ?? [];
  if (!host || port < 1 || port > 65535) throw new TypeError(`${JSON.stringify(text)} is no address: tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH`);
  return { text, host, port: Number(port), tls: kind === "tls" };
}

function frame(framing, record) {
  if (framing === "newline") return Buffer.concat([record, Buffer.from("\n")]);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(record.length);
  return Buffer.concat([head, record]);
}

/** Takes whole answers off the front of buffer: [answers, the rest]. */
function cut(framing, buffer) {
  const answers = [];
  for (;;) {
    let from = 0, to = -1, after = 0;
    if (framing === "newline") [to, after] = [buffer.indexOf(10), buffer.indexOf(10) + 1];
    else if (buffer.length >= 4) [from, to, after] = [4, 4 + buffer.readUInt32BE(), 4 + buffer.readUInt32BE()];
    if ((to < 0 ? buffer.length : to - from) > ANSWER_BYTES_MAX) throw new Error("no answer");
    if (to < 0 || buffer.length < after) return [answers, buffer];
    answers.push(JSON.parse(buffer.subarray(from, to)));
    buffer = buffer.subarray(after);
  }
}

const isCount = (n) => Number.isSafeInteger(n) && n >= 0;

export class Client {
  // Records are numbered from 1: up to acked they are done, up to sent they were written to this connection.
  acked = 0;
  rejected = 0;
  connections = 0;
  #sent = 0;
  #queued = 0;
  #frames = new Map(); // by number, of those not acked
  #told = new Set(); // rejected, and not acked
  #closing = false;
  #error = null;
  #waiters = []; // for something to change
  #pump = () => {}; // of the connection there is
  #mute = new Set(); // addresses that did not answer the hello
  #answered = false; // some did
  #pause = 0;

  constructor(addresses, { framing = "length", token = "", ca, window = 16384, helloTimeout = 10, onReject = () => {} } = {}) {
    this.addresses = [addresses].flat().map(parse);
    if (!this.addresses.length) throw new TypeError("no address: tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH");
    if (framing !== "length" && framing !== "newline") throw new TypeError(`framing ${framing} is unknown; one of length, newline`);
    if (!(helloTimeout > 0)) throw new TypeError("helloTimeout must be over 0 seconds");
    Object.assign(this, { framing, ca, window, helloTimeout, onReject });
    const first = token ? frame(framing, Buffer.from(JSON.stringify({ token }))) : Buffer.alloc(0);
    this.hello = Buffer.concat([first, framing === "newline" ? Buffer.from("\n") : frame(framing, Buffer.from(" "))]);
    this.#run().catch((error) => { this.#error = error; }).finally(() => this.#changed());
  }

  /** Takes one record, a JSON object as text or bytes; waits while the window is full. */
  async send(record) {
    const data = Buffer.from(record);
    if (!data.length || (this.framing === "newline" && data.includes(10))) throw new TypeError("a record must be a JSON object, and in lines without a line feed");
    while (this.#queued - this.acked >= this.window && !this.#error) await this.#change();
    if (this.#error) throw this.#error;
    this.#frames.set(++this.#queued, frame(this.framing, data));
    this.#pump();
    this.#changed();
    return this.#queued;
  }

  /** Waits until all is acked, and ends. */
  async close() {
    this.#closing = true;
    this.#pump();
    this.#changed();
    while (this.acked < this.#queued && !this.#error) await this.#change();
    if (this.#error) throw this.#error;
  }

  #change() { return new Promise((resolve) => this.#waiters.push(resolve)); }

  #changed() { for (const resolve of this.#waiters.splice(0)) resolve(); }

  async #run() {
    for (let at = 0; ; at = (at + 1) % this.addresses.length) {
      while (this.acked === this.#queued) {
        if (this.#closing) return;
        await this.#change();
      }
      const address = this.addresses[at];
      try {
        await this.#session(address);
      } catch (why) {
        if (why instanceof Fatal) throw why;
        console.error(`ringtail: ${address.text}: ${why.message}; ${this.#queued - this.acked} records are not acked`);
        this.#pause = Math.min(Math.max(2 * this.#pause, 50), 5000);
        await sleep(this.#pause * (0.5 + Math.random() / 2));
      } finally {
        this.#pump = () => {};
      }
    }
  }

  /** Uses one connection up. It resolves when nothing is left to be acked. */
  #session(address) {
    return new Promise((resolve, reject) => {
      const open = { ...address, allowHalfOpen: true };
      const socket = address.tls ? tls.connect({ ...open, ca: this.ca, servername: net.isIP(address.host) ? "" : address.host }) : net.connect(open);
      let rest = Buffer.alloc(0), base = -1, ended = false, connected = false, halfClosed = false;
      const end = (why) => {
        if (ended) return;
        ended = true;
        clearTimeout(timer);
        socket.destroy();
        why && this.acked < this.#queued ? reject(why) : resolve();
      };
      const mistake = (what, ask = "; is it `ringtail serve --ack kafka`, with this framing?") => {
        this.#mute.add(address);
        const fatal = !this.#answered && this.#mute.size === this.addresses.length;
        end(fatal ? new Fatal(`${address.text}: ${what}${ask} No record was sent`) : new Error(what));
      };
      const timer = setTimeout(() => (connected ? mistake("no answer to the hello") : end(new Error("no connection in time"))), 1000 * this.helloTimeout);
      socket.setNoDelay?.(true);
      socket.on(address.tls ? "secureConnect" : "connect", () => { connected = true; socket.write(this.hello); });
      socket.on("error", (why) => { // one of the system may pass; what is wrong with a certificate does not
        if (address.tls && !connected && !why.syscall && why.code !== "ECONNRESET") mistake(why.message);
        else end(why);
      });
      socket.on("end", () => end(new Error("the server closed the connection")));
      socket.on("drain", () => this.#pump());
      socket.on("data", (data) => {
        try {
          let answers;
          [answers, rest] = cut(this.framing, Buffer.concat([rest, data]));
          for (const answer of answers) {
            if (base >= 0) this.#hear(answer, base);
            else if (answer?.reason === "unauthorized") return mistake("the server does not know the token", ".");
            else if (answer?.acked === 0) base = this.#start(timer);
            else throw new Error("it answers before it was sent a record");
          }
        } catch (why) {
          return base >= 0 ? end(why) : mistake(`it answers ${JSON.stringify(String(data).slice(0, 64))}`);
        }
        if (base >= 0) this.#pump();
      });
      this.#pump = () => {
        while (base >= 0 && !ended && this.#sent < this.#queued && !socket.writableNeedDrain) {
          const frames = [];
          for (let size = 0; this.#sent < this.#queued && size < WRITE_BYTES; size += frames.at(-1).length) frames.push(this.#frames.get(++this.#sent));
          socket.write(Buffer.concat(frames));
        }
        if (base < 0 || ended || !this.#closing || this.#sent < this.#queued) return;
        if (this.acked === this.#queued) return end();
        if (!halfClosed) socket.end();
        halfClosed = true;
      };
    });
  }

  /** The server acks: what is not acked is sent, from the oldest on. */
  #start(timer) {
    clearTimeout(timer);
    this.#answered = true;
    this.#mute.clear();
    this.connections++;
    this.#sent = this.acked;
    return this.acked;
  }

  #hear({ acked, rejected, reason }, base) {
    if (rejected !== undefined) {
      const number = base + rejected;
      if (!isCount(rejected) || number <= this.acked || number > this.#sent) throw new Error("a rejected that cannot be");
      if (this.#told.has(number)) return;
      this.#told.add(number);
      this.rejected++;
      this.onReject(number, reason);
      return;
    }
    if (!isCount(acked) || base + acked < this.acked || base + acked > this.#sent) throw new Error("an acked that cannot be");
    while (this.acked < base + acked) {
      this.#frames.delete(++this.acked);
      this.#told.delete(this.acked);
      this.#pause = 0;
    }
    this.#changed();
  }
}

/** Sends the lines of standard input. Exit code 0: all are acked and none was rejected; 1: the other cases. */
async function main() {
  const string = { type: "string" };
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { framing: string, "token-file": string, "tls-ca": string, "hello-timeout": string } });
  const client = new Client(positionals, {
    framing: values.framing,
    token: values["token-file"] && fs.readFileSync(values["token-file"], "utf8").split("\n")[0].trim(),
    ca: values["tls-ca"] && fs.readFileSync(values["tls-ca"]),
    helloTimeout: Number(values["hello-timeout"] ?? 10),
    onReject: (number, reason) => console.log(`rejected ${number} ${reason}`),
  });
  for await (const line of readline.createInterface({ input: process.stdin })) if (line.trim()) await client.send(line.trim());
  await client.close();
  console.log(`acked ${client.acked}, rejected ${client.rejected}, connections ${client.connections}`);
  return client.rejected ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main().then(
    (code) => { process.exitCode = code; },
    (why) => { console.error(`ringtail: ${why.message}`); process.exit(1); },
  );
}
