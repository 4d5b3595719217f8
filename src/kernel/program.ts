/** Programs: what a kernel module exports for the loader. */
import type { XdpAction } from "./actions.ts";
import type { XdpContext } from "./context.ts";
import type { TcAction } from "./tc-actions.ts";
import type { TcContext, TcIngressContext } from "./tc-context.ts";

export interface ProgramOptions<Name extends string = string> {
  /** ELF section; "xdp" or "tc" unless given. */
  section?: string;
  /** ELF symbol; the export's name unless given. */
  name?: Name;
}

export interface XdpOptions<Name extends string = string> extends ProgramOptions<Name> {
  /**
   * The program handles frames that lie in several buffers, as those above some 3,500 bytes do: drivers refuse other programs on
   * devices with a large MTU. `at` reaches the first buffer, `loadBytes` and `storeBytes` all. Linux 5.18; the section is "xdp.frags".
   */
  frags?: boolean;
}

/** `Name` is the symbol that the program's options give it; `string` when it goes by the name of its export. */
export interface Program<Type extends string = string, Name extends string = string> {
  readonly kind: "program";
  readonly type: Type;
  readonly options: ProgramOptions<Name>;
}

/** A program for the hook in the network driver: it sees each packet before the kernel spends any memory on it. */
export function xdp<const Name extends string = string>(
  _body: (ctx: XdpContext) => XdpAction,
  options: XdpOptions<Name> = {},
): Program<"xdp", Name> {
  return { kind: "program", type: "xdp", options };
}

/** Programs for traffic control's hooks, where packets have become socket buffers: on their way in, and on their way out. */
export const tc = {
  /** Sees what comes in, behind XDP and before the network stack. */
  ingress<const Name extends string = string>(
    _body: (ctx: TcIngressContext) => TcAction,
    options: ProgramOptions<Name> = {},
  ): Program<"tc.ingress", Name> {
    return { kind: "program", type: "tc.ingress", options };
  },
  /** Sees what goes out, behind the network stack and before the device. */
  egress<const Name extends string = string>(
    _body: (ctx: TcContext) => TcAction,
    options: ProgramOptions<Name> = {},
  ): Program<"tc.egress", Name> {
    return { kind: "program", type: "tc.egress", options };
  },
} as const;
