/** Programs: what a kernel module exports for the loader. */
import type { XdpAction } from "./actions.ts";
import type { XdpContext } from "./context.ts";

export interface ProgramOptions {
  /** ELF section; "xdp" unless given. */
  section?: string;
  /** ELF symbol; the export's name unless given. */
  name?: string;
}

export interface Program<T extends string = string> {
  readonly kind: "program";
  readonly type: T;
  readonly options: ProgramOptions;
}

/** A program for the hook in the network driver: it sees each packet before the kernel spends any memory on it. */
export function xdp(_body: (ctx: XdpContext) => XdpAction, options: ProgramOptions = {}): Program<"xdp"> {
  return { kind: "program", type: "xdp", options };
}
