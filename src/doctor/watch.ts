/**
 * What gets lost while somebody watches: the kernel's XDP tracepoints are counted for a while, and each reason for which packets were lost is a finding.
 * Where the other checks look at settings, this one has seen it happen; so it needs packets.
 */
import { type Place as EventPlace, placeText } from "../runtime/xdp-events/places.ts";
import { lostPackets, type Reason, reasonOf } from "../runtime/xdp-events/reasons.ts";
import { type XdpEventCount, XdpEvents } from "../runtime/xdp-events/xdp-events.ts";
import { concerned } from "./checks/check.ts";
import type { Finding, Place } from "./finding.ts";
import { type Device, lookAround, type SnapshotOptions } from "./snapshot/index.ts";

/** Findings that only watching has; each is a heading in docs/doctor.md. */
export const WATCH_FINDINGS = ["xdp-exception", "redirect-fails", "sending-drops", "cpu-drops"] as const;

const IDS: Partial<Record<XdpEventCount["event"], (typeof WATCH_FINDINGS)[number]>> = {
  xdp_exception: "xdp-exception",
  xdp_redirect_err: "redirect-fails",
  xdp_redirect_map_err: "redirect-fails",
  xdp_devmap_xmit: "sending-drops",
  xdp_bulk_tx: "sending-drops",
  xdp_cpumap_enqueue: "cpu-drops",
  xdp_cpumap_kthread: "cpu-drops",
};

export class Watch implements Disposable {
  readonly #events: XdpEvents;
  readonly #start = performance.now();

  /** Begins to watch. @throws WirescriptError NO_PRIVILEGES, UNSUPPORTED_SYSTEM. */
  constructor() {
    this.#events = new XdpEvents();
  }

  /**
   * What was lost until now, most first: at the devices, at their other ends and where they redirect to; everywhere when none is named.
   *
   * @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE.
   */
  findings({ devices = [], netns }: SnapshotOptions): Finding[] {
    const seconds = (performance.now() - this.#start) / 1000;
    const lost = this.#events.read().counts.filter((count) => lostPackets(count) > 0n);
    const isWanted = devices.length === 0 && netns === undefined ? () => true : filter(devices, netns);
    return lost
      .filter(isWanted)
      .sort((a, b) => (lostPackets(a) > lostPackets(b) ? -1 : 1))
      .flatMap((count) => findingOf(count, seconds));
  }

  [Symbol.dispose](): void {
    this.#events.close();
  }
}

/** Events of the cpumap name no device: they are wanted always. */
function filter(names: readonly string[], netns: string | number | undefined): (count: XdpEventCount) => boolean {
  const wanted = lookAround(netns, ({ devices, subjectOf }) => {
    const chosen = names.length === 0 ? devices.all() : names.map((name) => devices.named(name));
    return new Set(chosen.flatMap((device) => concerned(subjectOf(device))).map(keyOf));
  });
  return ({ device, target }) => {
    const places = [device, target].filter((place) => place !== null);
    return places.length === 0 || places.some(({ ifindex, netns: where }) => wanted.has(`${where} ${ifindex}`));
  };
}

/** As `XdpEvents` calls its places. */
function keyOf({ network: { home, name, pid }, link: { ifindex } }: Device): string {
  return `${home ? null : (name ?? pid)} ${ifindex}`;
}

function findingOf(count: XdpEventCount, seconds: number): Finding[] {
  const reason = reasonOf(count);
  const id = IDS[count.event];
  if (reason === null || id === undefined) return [];
  const packets = lostPackets(count);
  return [
    {
      id,
      place: placeOf(count.device ?? count.target),
      what: `${packets === 1n ? "A packet was" : `${packets} packets were`} lost in ${seconds.toFixed(1)} s ${where(count)}.`,
      evidence: evidence(count),
      why: isCommand(reason) ? reason.why : `${reason.why} ${reason.fix}`,
      fix: { command: isCommand(reason) ? reason.fix : lookAt(count), safe: false },
    },
  ];
}

function where({ event, action, device, target, toCpu, cpu }: XdpEventCount): string {
  const at = device === null ? "" : ` at ${placeText(device)}`;
  switch (event) {
    case "xdp_exception":
      return `by ${action}${at}`;
    case "xdp_devmap_xmit":
    case "xdp_bulk_tx":
      return `on being sent by ${placeText(target ?? device ?? { ifindex: 0, name: "a device", netns: null })}`;
    case "xdp_cpumap_enqueue":
      return `on their way to CPU ${toCpu}`;
    case "xdp_cpumap_kthread":
      return `on CPU ${cpu}`;
    default:
      return `in XDP_REDIRECT${at}${target === null ? "" : ` to ${placeText(target)}`}`;
  }
}

function evidence({ event, error, action, program, map, index, events, drops }: XdpEventCount): string {
  const by = program === null ? "" : ` by "${program.name ?? "?"}" (id ${program.id})`;
  const entry = map === null ? "" : `, map ${map.id}${map.name === null ? "" : ` (${map.name})`}`;
  const key = map === null || index === null ? "" : `, key ${index}`;
  const dropped = drops > 0n ? `, ${drops} dropped` : "";
  return `Tracepoint ${event}: ${[action, error].filter((each) => each !== null).join(" ") || "queue full"}${by}${entry}${key}, ${events} times${dropped}.`;
}

/** Reasons that one command mends have it as their fix; the others say it in words. */
function isCommand({ fix }: Reason): boolean {
  return /^(ip|nsenter) /.test(fix);
}

function lookAt({ map, program, device, target }: XdpEventCount): string {
  if (map !== null) return `wirescript maps dump ${map.id}`;
  if (program !== null) return `wirescript progs show ${program.id}`;
  return `wirescript monitor${[device ?? target].flatMap((place) => (place?.name && place.netns === null ? [` ${place.name}`] : [])).join("")}`;
}

function placeOf(place: EventPlace | null): Place {
  if (place === null) return { netns: null, dev: null };
  const netns = place.netns !== null && /^\d+$/.test(place.netns) ? `process ${place.netns}` : place.netns;
  return { netns, dev: place.name };
}
