/** `wirescript features`: what this kernel and a driver can do. */
import type { Attaching } from "../../runtime/features/attaching.ts";
import { type DeviceFeatures, deviceFeatures } from "../../runtime/features/device.ts";
import { type KernelFeatures, kernelFeatures } from "../../runtime/features/kernel.ts";
import { enterNetwork } from "../network.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { paint, say, sayJson } from "../terminal.ts";

const ATTACHING: Record<keyof Attaching, string> = {
  xdpSkb: "XDP in skb mode, by netlink",
  xdpNativeOnVeth: "XDP in native mode, on veth",
  xdpLink: "XDP by bpf_link",
  xdpFrags: "XDP on frames in several buffers (frags)",
  xdpInDevmap: "XDP in device maps",
  xdpInCpumap: "XDP in CPU maps",
  testRun: "test runs",
  testRunLive: "test runs on live packets",
  tcx: "TC by bpf_link (TCX)",
  clsact: "TC by clsact",
};

/** What the driver's words mean. */
const XDP_WORDS: Record<string, string> = {
  basic: "native XDP",
  redirect: "XDP_REDIRECT from here",
  "ndo-xmit": "XDP_REDIRECT to here",
  "xsk-zerocopy": "AF_XDP without copies",
  "hw-offload": "programs on the card",
  "rx-sg": "frags received",
  "ndo-xmit-sg": "frags sent",
};

export async function features(
  dev: string | undefined,
  { helpers, json, netns }: { helpers?: boolean; json?: boolean; netns?: string },
): Promise<void> {
  await mustBeAbleTo("try what the kernel can do");
  enterNetwork(netns);
  const device = dev === undefined ? null : deviceFeatures(dev);
  const kernel = kernelFeatures();
  if (json === true) return sayJson({ kernel, device });
  sayKernel(kernel);
  if (helpers === true) {
    say();
    say(`${paint("bold", "Helpers of XDP")}  ${kernel.helpers.xdp.join(" ")}`);
    say(`${paint("bold", "Helpers of TC")}  ${kernel.helpers.tc.join(" ")}`);
  }
  if (device !== null) sayDevice(device);
}

function sayKernel(kernel: KernelFeatures): void {
  const hardening = kernel.jitHardening === null || kernel.jitHardening === 0 ? "" : `, hardened (${kernel.jitHardening})`;
  say(paint("bold", `Linux ${kernel.release} (${kernel.architecture})`));
  row("instructions", `v${kernel.instructionSet}`);
  row("JIT compiler", kernel.jit ? `on${hardening}` : "off: programs are interpreted");
  row("types (BTF)", kernel.btf ? "yes" : "no: CO-RE relocations cannot be resolved");
  row("bpffs", kernel.bpffs.join(" ") || "not mounted (load mounts it when it needs it)");
  say();
  for (const [name, text] of Object.entries(ATTACHING)) check(text, kernel.attaching[name as keyof Attaching]);
  check("batches of map entries", kernel.batches);
  check("arrays mapped into memory", kernel.mmap);
  say();
  list("Maps", kernel.mapTypes);
  list("Programs", kernel.programTypes);
  say(`${paint("bold", "Helpers")}  XDP ${kernel.helpers.xdp.length}, TC ${kernel.helpers.tc.length} (--helpers lists them)`);
}

function sayDevice({ dev, driver, mtu, xdp, zeroCopySegments, offloads, channels, rxQueues, txQueues }: DeviceFeatures): void {
  say();
  say(paint("bold", dev));
  row("driver", driver ?? "none");
  row("MTU", `${mtu}`);
  if (xdp === null) row("XDP", "the kernel does not tell (it does since Linux 6.3)");
  else if (xdp.length === 0) row("XDP", "skb mode only: the driver has no native XDP");
  else row("XDP", xdp.map((word) => XDP_WORDS[word] ?? word).join(", "));
  if (zeroCopySegments !== null && zeroCopySegments > 0)
    row("AF_XDP", `frames of up to ${zeroCopySegments} buffers without copies`);
  row("queues", channels === null ? `${rxQueues} to receive, ${txQueues} to send` : channelText(channels));
  const on = [
    offloads.gro ? "GRO" : "",
    offloads.rxVlan ? "VLAN tags taken out" : "",
    offloads.txVlan ? "VLAN tags put in" : "",
    offloads.txChecksum ? "checksums filled in" : "",
  ].filter((text) => text !== "");
  row("offloads", on.join(", ") || "none");
}

function channelText({ rx, tx, combined, maxRx, maxTx, maxCombined }: NonNullable<DeviceFeatures["channels"]>): string {
  const part = (name: string, now: number, most: number) => (most === 0 ? [] : [`${now} of ${most} ${name}`]);
  return [...part("combined", combined, maxCombined), ...part("to receive", rx, maxRx), ...part("to send", tx, maxTx)].join(
    ", ",
  );
}

function row(label: string, text: string): void {
  say(`  ${label.padEnd(14)}${text}`);
}

function check(text: string, there: boolean): void {
  say(`  ${there ? paint("green", "yes") : paint("red", "no ")}  ${text}`);
}

function list(title: string, features: Record<string, boolean>): void {
  const names = (there: boolean) =>
    Object.keys(features)
      .filter((name) => features[name] === there)
      .map((name) => name.toLowerCase());
  say(`${paint("bold", title)}  ${names(true).join(" ")}`);
  const missing = names(false);
  if (missing.length > 0) say(`  ${paint("red", "not")}: ${missing.join(" ")}`);
}
