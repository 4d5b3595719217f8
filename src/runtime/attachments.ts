/**
 * Where programs are attached, on all devices of all network namespaces that have a name, and of the calling thread's own: XDP, TCX and the
 * filters of clsact, by links or without.
 */
import { statSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { BPF, directionOfTcx, type LinkFd, linkInfo, queryTcx, TCX } from "../sys/bpf.ts";
import { inNamespace, listNamespaces } from "../sys/namespaces.ts";
import { listFilters, listLinks } from "../sys/netlink/index.ts";
import { ofAllLinks } from "./kernel-objects.ts";

export interface Attachment {
  hook: "xdp" | "tcx ingress" | "tcx egress" | "clsact ingress" | "clsact egress";
  /** Of XDP: "native", "skb" or "hw"; null for TC. */
  mode: string | null;
  dev: string;
  ifindex: number;
  /** A name under /run/netns; null for the calling thread's own namespace. */
  netns: string | null;
  programId: number;
  /** The bpf_link that holds it; null without one. */
  linkId: number | null;
  /** Of a clsact filter: its priority and handle. */
  filter: { priority: number; handle: number } | null;
}

/** A link in the kernel, whatever it attaches. */
export interface LinkInKernel {
  id: number;
  /** `enum bpf_link_type` as text: "xdp", "tcx". */
  type: string;
  programId: number;
  /** Of an XDP or TCX link: 0 when its device is gone. */
  ifindex: number | null;
  direction: "ingress" | "egress" | null;
}

/** `enum bpf_link_type`, in the words of bpftool. Source: linux/bpf.h of Linux 6.18. */
const LINK_TYPES = [
  ...["unspec", "raw_tracepoint", "tracing", "cgroup", "iter", "netns", "xdp", "perf_event", "kprobe_multi", "struct_ops"],
  ...["netfilter", "tcx", "uprobe_multi", "netkit", "sockmap"],
];

/** Needs root. @throws WirescriptError NO_PRIVILEGES */
export function listBpfLinks(): LinkInKernel[] {
  return ofAllLinks(describeLink);
}

function describeLink(fd: LinkFd): LinkInKernel {
  const { id, type, programId, ifindex, attachType } = linkInfo(fd);
  const direction = attachType === null ? null : directionOfTcx(attachType);
  return { id, type: LINK_TYPES[type] ?? `type ${type}`, programId, ifindex, direction };
}

/** Needs root. @throws WirescriptError NO_PRIVILEGES */
export function listAttachments(links: readonly LinkInKernel[] = listBpfLinks()): Attachment[] {
  const xdpLinks = links.filter(({ type }) => type === LINK_TYPES[BPF.BPF_LINK_TYPE_XDP]);
  const own = attachmentsHere(null, xdpLinks);
  const home = namespaceNumber("/proc/thread-self/ns/net");
  const named = listNamespaces().flatMap((name) => {
    // A name may lead back to where this thread is.
    if (namespaceNumber(`/run/netns/${name}`) === home) return [];
    try {
      return inNamespace(name, () => attachmentsHere(name, xdpLinks));
    } catch (error) {
      // Deleted while the list was walked, or a file that is no namespace.
      if (error instanceof WirescriptError) return [];
      throw error;
    }
  });
  return [...own, ...named];
}

function attachmentsHere(netns: string | null, xdpLinks: readonly LinkInKernel[]): Attachment[] {
  return listLinks().flatMap(({ name: dev, ifindex, xdp }) => {
    const place = { dev, ifindex, netns };
    const found: Attachment[] = xdp.map(({ mode, programId }) => {
      // The kernel tells a link's ifindex, not its namespace.
      const link = xdpLinks.find((each) => each.ifindex === ifindex && each.programId === programId);
      return { hook: "xdp", mode, ...place, programId, linkId: link?.id ?? null, filter: null };
    });
    for (const direction of ["ingress", "egress"] as const) {
      for (const { programId, linkId } of queryTcx(ifindex, direction)?.entries ?? []) {
        found.push({ hook: `tcx ${direction}`, mode: null, ...place, programId, linkId, filter: null });
      }
      for (const { filter } of listFilters(ifindex, direction)) {
        if (filter === null || filter.programId === 0) continue;
        const { programId, priority, handle } = filter;
        found.push({
          hook: `clsact ${direction}`,
          mode: null,
          ...place,
          programId,
          linkId: null,
          filter: { priority, handle },
        });
      }
    }
    return found;
  });
}

function namespaceNumber(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? -1;
}

/**
 * How a program is attached, without the device: "xdp native", "tcx ingress", "clsact egress priority 49152". Whatever lists attachments calls them
 * by these words.
 */
export function describeHook({ hook, mode, filter }: Pick<Attachment, "mode" | "filter"> & { hook: string }): string {
  const words: string[] = [hook];
  if (mode !== null) words.push(mode);
  if (filter !== null) words.push(`priority ${filter.priority}`);
  return words.join(" ");
}

/** "eth0 (xdp native)", "blue/eth1 (tcx ingress, link 7)": the device, with its namespace where that is another one, how, and by which link. */
export function describeAttachment(attachment: Omit<Attachment, "ifindex" | "programId">): string {
  const { dev, netns, linkId } = attachment;
  const how = [describeHook(attachment)];
  if (linkId !== null) how.push(`link ${linkId}`);
  return `${netns === null ? dev : `${netns}/${dev}`} (${how.join(", ")})`;
}

/** Whether it is one of those that are also links: TCX is asked for directly. */
export function isDeviceLink({ type }: LinkInKernel): boolean {
  return type === LINK_TYPES[BPF.BPF_LINK_TYPE_XDP] || type === LINK_TYPES[TCX.BPF_LINK_TYPE_TCX];
}
