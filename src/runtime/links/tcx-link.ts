/**
 * TC programs by TCX links (Linux 6.6): several on a device, in an order that each of them can ask for, and each held by whoever holds its
 * link, as XDP links are. A program of the list ends the walk with its verdict, unless that is TC_ACT_UNSPEC.
 */
import { type Direction, type KernelLinkInfo, type LinkFd, linkCreateTcx, programInfo, type TcxPlace } from "../../sys/bpf.ts";
import type { Link } from "../../sys/netlink/index.ts";
import { wrongArgument } from "../arguments.ts";
import { openProgram } from "../kernel-objects.ts";
import { type Attachable, BpfLink } from "./bpf-link.ts";
import { tcFailure } from "./tc-failure.ts";

/** What stands in a list: a link, a program, or a program's id. */
export type TcNeighbour = TcxLink | Attachable | number;

/** Where in the list: at an end, or next to something that is in it. */
export type TcOrder = "first" | "last" | { before: TcNeighbour } | { after: TcNeighbour };

export class TcxLink extends BpfLink {
  readonly direction: Direction;
  readonly via = "tcx";

  constructor(parts: { fd: LinkFd; device: Link; direction: Direction; programId: number; adopted?: boolean }) {
    const { name: dev, ifindex } = parts.device;
    super({ ...parts, dev, ifindex });
    this.direction = parts.direction;
  }

  /** What the kernel says; `ifindex` is 0 when the device is gone. */
  override info(): KernelLinkInfo & { dev: string; direction: Direction } {
    return { ...super.info(), dev: this.dev, direction: this.direction };
  }
}

export interface TcxOptions {
  device: Link;
  direction: Direction;
  order?: TcOrder;
  expectedRevision?: bigint;
}

/** In the calling thread's network namespace. @throws WirescriptError DEVICE_BUSY, USAGE, NO_SUCH_DEVICE, NO_SUCH_PROGRAM, NO_PRIVILEGES */
export function attachTcxLink(program: Attachable, { device, direction, order, expectedRevision }: TcxOptions): TcxLink {
  const { place, release } = placeOf(program, order);
  try {
    const fd = linkCreateTcx({ program: program.fd, ifindex: device.ifindex, direction, place, expectedRevision });
    return new TcxLink({ fd, device, direction, programId: programInfo(program.fd).id });
  } catch (error) {
    throw tcFailure(error, device, direction, program.name);
  } finally {
    release();
  }
}

function placeOf({ name }: Attachable, order: TcOrder = "last"): { place: TcxPlace; release: () => void } {
  if (order === "first") return { place: { side: "before" }, release: () => {} };
  if (order === "last") return { place: { side: "after" }, release: () => {} };
  // What JavaScript may give is checked here: the types know only one of the two to be there.
  const { before, after } = Object(order) as { before?: TcNeighbour; after?: TcNeighbour };
  const [side, neighbour] = before !== undefined ? (["before", before] as const) : (["after", after] as const);
  if (typeof neighbour === "object" && neighbour !== null) {
    return { place: { side, relative: neighbour.fd }, release: () => {} };
  }
  if (typeof neighbour !== "number") {
    throw wrongArgument(
      `The program "${name}" was not attached.`,
      neighbour ?? order,
      '`order` is "first", "last", { before } or { after } a link, a program or a program\'s id',
      "Give one of these, or leave it out.",
    );
  }
  const relative = openProgram({ id: neighbour });
  return { place: { side, relative }, release: () => relative.close() };
}
