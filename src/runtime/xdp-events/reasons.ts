/**
 * What the kernel's XDP events mean for who looks for lost packets: why it happened and what to do about it. The errors are those of
 * net/core/filter.c, kernel/bpf/devmap.c and the drivers' ndo_xdp_xmit of Linux 5.15 to 6.18.
 */
import { type Place, placeText } from "./places.ts";
import type { XdpEventCount } from "./xdp-events.ts";

export interface Reason {
  why: string;
  fix: string;
}

/** Null when nothing went wrong. */
export function reasonOf(count: XdpEventCount): Reason | null {
  switch (count.event) {
    case "xdp_exception":
      return ofException(count);
    case "xdp_redirect_err":
    case "xdp_redirect_map_err":
      return ofRedirect(count);
    case "xdp_devmap_xmit":
    case "xdp_bulk_tx":
      return ofTransmission(count);
    case "xdp_cpumap_enqueue":
    case "xdp_cpumap_kthread":
      return ofCpu(count);
    default:
      return null;
  }
}

/** Packets that were lost here. */
export function lostPackets({ event, events, drops }: XdpEventCount): bigint {
  return event === "xdp_exception" || event === "xdp_redirect_err" || event === "xdp_redirect_map_err" ? events : drops;
}

function ofException({ action, program }: XdpEventCount): Reason {
  const name = program?.name ?? "the program";
  switch (action) {
    case "XDP_ABORTED":
      return {
        why: `"${name}" returned XDP_ABORTED: it says so itself, or a redirect found no entry in its map.`,
        fix: "Fill the map that it redirects through, or see why it aborts: wirescript run, wirescript trace",
      };
    case "XDP_TX":
      return {
        why: "The device could not send the packet back.",
        fix: "On veth, load a program on the other end too, or switch GRO on there.",
      };
    case "XDP_REDIRECT":
      return { why: "The driver could not hand the packet on.", fix: "See the redirects that failed, if there are any." };
    default:
      return {
        why: `"${name}" returned ${action}, which is no verdict that the driver knows; the kernel drops such packets.`,
        fix: "Return XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX or XDP_REDIRECT.",
      };
  }
}

function ofRedirect({ error, device, target, map, index }: XdpEventCount): Reason {
  const where = target === null ? "the target" : placeText(target);
  switch (error) {
    case "EINVAL":
      return map === null && target?.name === null
        ? {
            why: `There is no device with index ${target.ifindex} where ${device === null ? "the packet was" : `${placeText(device)} is`}.`,
            fix: "Redirect to a device that is there; indexes change when devices are made anew.",
          }
        : {
            why: `The kernel cannot redirect to ${map === null ? where : entryText(map.name, index)}.`,
            fix: "See what the entry is: wirescript maps dump",
          };
    case "ENETDOWN":
      return { why: `${where} is down.`, fix: ipCommand(target, "link set dev", "up") };
    case "EMSGSIZE":
      return {
        why: `The packet is longer than the MTU of ${where} allows.`,
        fix: ipCommand(target, "link set dev", "mtu 1500"),
      };
    case "EOPNOTSUPP":
      return {
        why: `${where} does not take frames from other devices: its driver cannot, or it is a veth whose other end has neither a program nor GRO.`,
        fix: "Load a program on the veth's other end (src/programs/pass.bpf.ts is one), or attach with --mode skb.",
      };
    case "EBADRQC":
      return { why: "This type of map does not work in skb mode.", fix: "Attach in native mode." };
    case "ENOSPC":
      return {
        why: `The queue behind ${entryText(map?.name ?? null, index)} is full.`,
        fix: "Make it longer, or send it less.",
      };
    case "EOVERFLOW":
      return {
        why: "There is no room in front of the packet for what the kernel puts there.",
        fix: "Leave headroom: grow packets by less.",
      };
    default:
      return {
        why: `The kernel refused to redirect to ${where} (${error}).`,
        fix: "errno(3) says what the number stands for.",
      };
  }
}

function ofTransmission({ drops, error, event, device, target }: XdpEventCount): Reason | null {
  if (drops === 0n) return null;
  const place = event === "xdp_bulk_tx" ? device : target;
  const where = place === null ? "the device" : placeText(place);
  if (error === "ENXIO") {
    return {
      why: `Nobody takes frames at the other end of ${where}: a veth with ${event === "xdp_bulk_tx" ? "no program" : "neither a program nor GRO"} there, or a driver without queues for XDP.`,
      fix: "Load a program on the other end, for example src/programs/pass.bpf.ts.",
    };
  }
  if (error === "ENETDOWN") return { why: `${where} is down.`, fix: ipCommand(place, "link set dev", "up") };
  return {
    why: `${where} did not take all of them${error === null ? ": its queue is full, or they are longer than its MTU" : ` (${error})`}.`,
    fix: "Send less, or make its queues longer (ethtool -G).",
  };
}

function ofCpu({ drops, event, map, toCpu, cpu }: XdpEventCount): Reason | null {
  if (drops === 0n) return null;
  return event === "xdp_cpumap_enqueue"
    ? {
        why: `CPU ${toCpu}'s queue in ${map?.name ?? "the map"} is full: it is slower than what comes.`,
        fix: "Make the queue longer (the value of the map's entry), or spread packets over more CPUs.",
      }
    : {
        why: `CPU ${cpu} could not make socket buffers for them.`,
        fix: "There was no memory for them: see free, and /proc/slabinfo.",
      };
}

function entryText(map: string | null, index: number | null): string {
  return `entry ${index} of ${map === null ? "a map" : `map "${map}"`}`;
}

function ipCommand(place: Place | null, verb: string, rest: string): string {
  if (place === null || place.name === null) return `ip ${verb} DEV ${rest}`;
  return `${entering(place.netns)} ${verb} ${place.name} ${rest}`;
}

function entering(netns: string | null): string {
  if (netns === null) return "ip";
  return /^\d+$/.test(netns) ? `nsenter --target ${netns} --net ip` : `ip -n ${netns}`;
}
