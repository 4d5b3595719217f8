/**
 * Echo requests and what becomes of them, over sockets of our own: no `ping` has to be installed, and every reply is checked byte by
 * byte, which is what makes it a test of programs that answer pings. Round-trip times are taken around the system calls; waiting is
 * done in short slices, so that signals and timers of this process still get their turn.
 */
import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { errnoName, SyscallError } from "../sys/errno.ts";
import { parseIp } from "../sys/ip-address.ts";
import { inNamespace } from "../sys/namespaces.ts";
import { openEchoSocket, type RawSocket } from "../sys/sockets.ts";
import { EchoExchange } from "./echo.ts";

export interface PingOptions {
  /** An IPv4 or IPv6 address. */
  destination: string;
  /** The network namespace to send from, by name or open descriptor; the thread's own when absent. */
  namespace?: string | number;
  /** How many requests; Infinity goes on until `signal`. Default 1. */
  count?: number;
  /** From one request to the next, in milliseconds. Default 1000. */
  intervalMs?: number;
  /** How long each reply may take, in milliseconds. Default 1000. */
  timeoutMs?: number;
  /** Bytes of payload after the 8 bytes of the ICMP header; at least 16. Default 56, as `ping` has it. */
  size?: number;
  /** Ends it early; what was measured until then is the result. */
  signal?: AbortSignal;
  /** Told about every probe when it is answered or lost. */
  onProbe?: (probe: Probe) => void;
}

export interface Probe {
  /** From 1. */
  sequence: number;
  /** null: no valid reply in time. */
  roundTripMs: number | null;
  /** Bytes of the ICMP message that came back. */
  bytes: number;
  /** The reply's time to live; null for IPv6, and without a reply. */
  ttl: number | null;
  /** What the network said instead of a reply, e.g. "EHOSTUNREACH". */
  error: string | null;
  /** Replies that belong to this request but are wrong, each with what is wrong. */
  invalid: string[];
}

export interface PingResult {
  destination: string;
  sent: number;
  received: number;
  /** Valid replies to requests that had already been answered. */
  duplicates: number;
  /** 0 to 100. */
  lossPercent: number;
  /** Milliseconds over the answered probes; null when there are none. */
  roundTripMs: { min: number; average: number; max: number; deviation: number } | null;
  probes: Probe[];
}

/** How long the thread may be blocked at a time. */
const SLICE_MS = 5;

/**
 * Sends echo requests (RFC 792, RFC 4443) and waits for each one's reply.
 *
 * @throws WirescriptError NO_PRIVILEGES without CAP_NET_RAW, USAGE for an address that is none; SyscallError ENETUNREACH when there is no
 * route. A lost packet is no error: it is in the result.
 */
export async function ping(options: PingOptions): Promise<PingResult> {
  const { destination, count = 1, intervalMs = 1000, signal } = options;
  const open = () => openEchoSocket(destination);
  using socket = options.namespace === undefined ? open() : inNamespace(options.namespace, open);
  const exchange = new EchoExchange(parseIp(destination).length === 4 ? 4 : 6, randomBytes(16), options.size);
  const probes: Probe[] = [];
  let duplicates = 0;
  const isOver = () => signal?.aborted === true;
  for (let sequence = 1; sequence <= count && !isOver(); sequence++) {
    const start = performance.now();
    const { probe, stale } = await exchangeOne(socket, exchange, sequence, options);
    duplicates += stale;
    // A probe cut short is neither answered nor lost.
    if (probe.roundTripMs === null && isOver()) break;
    probes.push(probe);
    options.onProbe?.(probe);
    if (sequence < count) await pause(intervalMs - (performance.now() - start), signal);
  }
  duplicates += countLate(socket, exchange);
  return summarise(destination, probes, duplicates);
}

async function exchangeOne(
  socket: RawSocket,
  exchange: EchoExchange,
  sequence: number,
  { timeoutMs = 1000, signal }: PingOptions,
): Promise<{ probe: Probe; stale: number }> {
  const probe: Probe = { sequence, roundTripMs: null, bytes: 0, ttl: null, error: null, invalid: [] };
  let stale = 0;
  const request = exchange.request(sequence);
  const sentAt = performance.now();
  try {
    socket.send(request);
    for (;;) {
      const left = sentAt + timeoutMs - performance.now();
      const received = socket.receive(Math.min(SLICE_MS, left));
      const now = performance.now();
      if (received !== null) {
        const reply = exchange.judge(received.bytes);
        if (reply.verdict === "valid" && reply.sequence === (sequence & 0xffff)) {
          return { probe: { ...probe, roundTripMs: now - sentAt, bytes: reply.bytes, ttl: reply.ttl }, stale };
        }
        if (reply.verdict === "valid") stale++;
        if (reply.verdict === "invalid") probe.invalid.push(reply.reason);
        continue;
      }
      if (left <= 0 || signal?.aborted === true) return { probe, stale };
      await nextTurn();
    }
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return { probe: { ...probe, error: errnoName(error.errno) }, stale };
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (milliseconds <= 0) return nextTurn();
  // An abort ends the pause; the caller looks at the signal.
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}

/** What is left in the socket when the last probe has been answered. */
function countLate(socket: RawSocket, exchange: EchoExchange): number {
  let count = 0;
  for (;;) {
    try {
      const received = socket.receive(0);
      if (received === null) return count;
      if (exchange.judge(received.bytes).verdict === "valid") count++;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
  }
}

function summarise(destination: string, probes: Probe[], duplicates: number): PingResult {
  const times = probes.flatMap(({ roundTripMs }) => (roundTripMs === null ? [] : [roundTripMs]));
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const average = mean(times);
  return {
    destination,
    sent: probes.length,
    received: times.length,
    duplicates,
    lossPercent: probes.length === 0 ? 0 : (100 * (probes.length - times.length)) / probes.length,
    roundTripMs:
      times.length === 0
        ? null
        : {
            min: Math.min(...times),
            average,
            max: Math.max(...times),
            deviation: Math.sqrt(mean(times.map((time) => (time - average) ** 2))),
          },
    probes,
  };
}
