// Leads connections to AWS through Squall, which the AWS SDK for JavaScript (2 and 3) does not do by itself: it reads no HTTPS_PROXY.
// `squall run` and `squall env` name this file in NODE_OPTIONS, so node loads it before the program, be that CommonJS or ESM.
//
// Agents keep their pools, keys and TLS sessions; only where one would open a connection to a name of AWS's, a tunnel through the proxy
// takes its place. Everything else goes its usual way. What is written here is understood by node 12 already: older programs must not
// break on it.
"use strict";

const http = require("http");
const http2 = require("http2");
const https = require("https");
const net = require("net");
const tls = require("tls");
const { syncBuiltinESMExports } = require("module");
const { Duplex } = require("stream");

const PROXY = __PROXY__;
const NAMES = __NAMES__;

/** Whether a host is one that Squall is there for. */
function isLed(host) {
  if (typeof host !== "string" || net.isIP(host)) return false;
  const name = host.toLowerCase().replace(/\.$/, "");
  return NAMES.some((known) => name === known || name.endsWith(`.${known}`));
}

/** Opens a tunnel, and gives its socket to `done`. */
function open(host, port, done) {
  const socket = net.connect(PROXY.port, PROXY.host);
  socket.setNoDelay(true);
  let head = Buffer.alloc(0);
  const give = (error) => {
    socket.off("data", read).off("error", give).off("end", early);
    if (error) socket.destroy();
    done(error || null, error ? undefined : socket);
  };
  const early = () => give(new Error(`the proxy at ${PROXY.host}:${PROXY.port} closed the tunnel to ${host}:${port}`));
  const read = (bytes) => {
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    socket.pause();
    const line = head.subarray(0, head.indexOf("\r\n")).toString("latin1");
    if (!/^HTTP\/1\.[01] 2/.test(line)) return give(new Error(`no tunnel to ${host}:${port}: ${line}`));
    const rest = head.subarray(end + 4);
    if (rest.length > 0) socket.unshift(rest);
    give();
  };
  socket.on("data", read).on("error", give).on("end", early);
  socket.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
}

/** A tunnel as a stream that is there at once, for those who cannot wait for it. */
class Tunnel extends Duplex {
  #socket;
  #waiting;

  constructor(host, port) {
    super();
    open(host, port, (error, socket) => {
      if (error || this.destroyed) {
        if (socket) socket.destroy();
        return this.destroy(error || undefined);
      }
      this.#socket = socket;
      socket.on("data", (bytes) => this.push(bytes) || socket.pause());
      socket.on("end", () => this.push(null)).on("error", (e) => this.destroy(e)).on("close", () => this.destroy());
      socket.resume();
      this.emit("connect");
      if (this.#waiting) this.#waiting();
    });
  }

  _write(bytes, encoding, done) {
    const write = () => this.#socket.write(bytes, encoding, done);
    if (this.#socket) write();
    else this.#waiting = write;
  }

  _final(done) {
    const end = () => this.#socket.end(done);
    if (this.#socket) end();
    else this.#waiting = end;
  }

  _read() {
    if (this.#socket) this.#socket.resume();
  }

  _destroy(error, done) {
    if (this.#socket) this.#socket.destroy();
    done(error);
  }

  setTimeout() {
    return this;
  }

  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }
}

/** Puts tunnels in the place of an agent's connections to AWS. */
function lead(Agent, defaultPort) {
  const direct = Agent.prototype.createConnection;
  Agent.prototype.createConnection = function createConnection(...args) {
    const [options, created] = args;
    const isOwn = options !== null && typeof options === "object" && !options.socket && !options.socketPath && isLed(options.host);
    // node's own support for proxies, where a program asked for it.
    if (!isOwn || (this.options && this.options.proxyEnv)) return direct.apply(this, args);
    const port = options.port || defaultPort;
    // A stream that was paused stays so until it is told; nothing comes before something was asked.
    const inside = (socket) => (Agent === https.Agent ? direct.call(this, { ...options, socket }) : socket.resume());
    if (typeof created !== "function") return inside(new Tunnel(options.host, port));
    open(options.host, port, (error, socket) => {
      if (error) return created(error);
      try {
        created(null, inside(socket));
      } catch (e) {
        socket.destroy();
        created(e);
      }
    });
    return undefined;
  };
}

/** The same for HTTP/2, which has no agents. */
function leadHttp2() {
  const direct = http2.connect;
  http2.connect = function connect(authority, options, listener) {
    if (typeof options === "function") return connect.call(this, authority, undefined, options);
    const url = typeof authority === "string" ? new URL(authority) : authority;
    const host = url.hostname || url.host;
    if ((options && options.createConnection) || !isLed(host)) return direct.call(this, authority, options, listener);
    const isTls = (url.protocol || "https:") === "https:";
    const tunnel = new Tunnel(host, Number(url.port) || (isTls ? 443 : 80));
    const secured = () => tls.connect({ servername: host, ALPNProtocols: ["h2"], ...options, socket: tunnel });
    const socket = isTls ? secured() : tunnel;
    return direct.call(this, authority, { ...options, createConnection: () => socket }, listener);
  };
}

if (!globalThis[Symbol.for("squall.preload")]) {
  globalThis[Symbol.for("squall.preload")] = true;
  lead(http.Agent, 80);
  lead(https.Agent, 443);
  leadHttp2();
  // ESM programs import these by name.
  syncBuiltinESMExports();
}
