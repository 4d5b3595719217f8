/** `wirescript lab ping`: our prober, told in the words of ping(8). */
import { WirescriptError } from "../../errors.ts";
import {
  INSIDE_DEVICE,
  type Lab,
  MESSAGES,
  needsWaking,
  type PingResult,
  type PingTarget,
  type Probe,
  pingDestination,
  pingFromInside,
} from "../../lab/index.ts";
import { Interruption } from "../interruption.ts";
import { say } from "../terminal.ts";

interface LabPingOptions extends PingTarget {
  /** Without it until Ctrl-C. */
  count?: number;
  /** Seconds. */
  interval?: number;
  /** Bytes of payload. */
  size?: number;
}

/** Returns the exit status. @throws WirescriptError LAB when nothing was answered. */
export async function pingLab(lab: Lab, options: LabPingOptions): Promise<number> {
  using interruption = new Interruption();
  const destination = pingDestination(lab, options);
  say(MESSAGES.pingHeader);
  say();
  say(`PING ${destination} ${options.size ?? 56} data bytes`);
  const result = await pingFromInside(lab, options, {
    count: options.count ?? Number.POSITIVE_INFINITY,
    intervalMs: (options.interval ?? 1) * 1000,
    size: options.size,
    signal: interruption.signal,
    onProbe: (probe) => say(describeProbe(destination, probe)),
  });
  say();
  for (const line of summary(result)) say(line);
  if (result.received > 0 || result.sent === 0) return 0;
  throw new WirescriptError({
    code: "LAB",
    what: `${destination} answered none of ${result.sent} pings.`,
    ...(needsWaking(lab)
      ? asleep(lab)
      : { why: WHY_LOST, fix: `Look at what it counts: wirescript lab stats --name ${lab.name}` }),
  });
}

const WHY_LOST = "The program on the lab's device may drop them, or what it sends back is lost on the way.";

/** As `wirescript lab load` sees to it, and `wirescript load` does not. */
function asleep(lab: Lab): { why: string; fix: string } {
  return {
    why: `${INSIDE_DEVICE} inside has no XDP program, and without one it does not receive what a program sends back by XDP_TX in native mode.`,
    fix: `Load the program with: wirescript lab load --name ${lab.name} -- --force FILE, which gives the device inside one that passes everything.`,
  };
}

function describeProbe(destination: string, { sequence, roundTripMs, bytes, ttl, error, invalid }: Probe): string {
  const wrong = invalid.map((reason) => `; a reply was wrong: ${reason}`).join("");
  if (roundTripMs === null) return `no answer to icmp_seq=${sequence}${error === null ? "" : ` (${error})`}${wrong}`;
  const hops = ttl === null ? "" : ` ttl=${ttl}`;
  return `${bytes} bytes from ${destination}: icmp_seq=${sequence}${hops} time=${roundTripMs.toFixed(3)} ms${wrong}`;
}

function summary({ destination, sent, received, duplicates, lossPercent, roundTripMs }: PingResult): string[] {
  const extra = duplicates === 0 ? "" : `+${duplicates} duplicates, `;
  const lines = [
    `--- ${destination} ping statistics ---`,
    `${sent} packets transmitted, ${received} received, ${extra}${Number(lossPercent.toFixed(1))}% packet loss`,
  ];
  if (roundTripMs !== null) {
    const { min, average, max, deviation } = roundTripMs;
    lines.push(`rtt min/avg/max/mdev = ${[min, average, max, deviation].map((value) => value.toFixed(3)).join("/")} ms`);
  }
  return lines;
}
