/**
 * The kernel's hooks for packet programs: what their contexts look like to the program, and which helper functions the verifier lets
 * them call. Sources: struct xdp_md and struct __sk_buff of linux/bpf.h; xdp_func_proto and tc_cls_act_func_proto of net/core/filter.c.
 */
import { isFragsSection, programSection } from "../../object/elf/program-type.ts";
import type { HelperName } from "../../object/helpers.ts";
import type { ProgramType } from "../../object/spec.ts";
import type { AccessSize } from "../ir/ir.ts";
import { BOOL, type IntType, U16, U32, U64 } from "./values.ts";

/** A field of the context. The verifier wants it read and written whole. */
export interface ContextField {
  offset: number;
  size: AccessSize;
  type: IntType;
  /** 16 bits in network byte order, in a field of 32. */
  networkOrder?: boolean;
}

export interface Hook {
  type: ProgramType;
  /** What a user calls it. */
  title: string;
  /** ELF section of a program that names none. */
  section: string;
  /** Whether loaders take a program in this section for one of this hook. */
  accepts: (section: string) => boolean;
  /** Offsets of the packet's bounds in the context. */
  bounds: { data: number; dataEnd: number; dataMeta: number };
  /** Verdicts with which a packet goes on: after these, a chain does too. */
  passing: readonly number[];
  /** Helper functions that get at bytes of the packet wherever they lie. */
  copying: { load: HelperName; store: HelperName };
  /** Only the first of several buffers may lie between the bounds. */
  frags: boolean;
  /** By their names in TypeScript. */
  fields: Readonly<Record<string, ContextField>>;
}

const u32At = (offset: number): ContextField => ({ offset, size: 4, type: U32 });
const u16At = (offset: number): ContextField => ({ offset, size: 4, type: U16 });
const be16At = (offset: number): ContextField => ({ offset, size: 4, type: U16, networkOrder: true });

const XDP: Hook = {
  type: "xdp",
  title: "XDP",
  section: "xdp",
  accepts: (section) => programSection(section) === "xdp" || programSection(section) === "any",
  passing: [2],
  copying: { load: "xdp_load_bytes", store: "xdp_store_bytes" },
  frags: false,
  bounds: { data: 0, dataEnd: 4, dataMeta: 8 },
  fields: { ingressIfindex: u32At(12), rxQueueIndex: u32At(16) },
};

/** Programs that take frames in several buffers: loaders tell them from their section. */
export const XDP_FRAGS: Hook = {
  ...XDP,
  title: "XDP with frags",
  section: "xdp.frags",
  accepts: isFragsSection,
  frags: true,
};

const TC: Hook = {
  type: "sched_cls",
  title: "TC",
  section: "tc",
  accepts: (section) => programSection(section) === "sched_cls" || programSection(section) === "any",
  passing: [0, -1, 3],
  copying: { load: "skb_load_bytes", store: "skb_store_bytes" },
  frags: false,
  bounds: { data: 76, dataEnd: 80, dataMeta: 140 },
  fields: {
    length: u32At(0),
    packetType: u32At(4),
    mark: u32At(8),
    queueMapping: u16At(12),
    protocol: be16At(16),
    vlanPresent: { offset: 20, size: 4, type: BOOL },
    vlanTci: u16At(24),
    vlanProtocol: be16At(28),
    priority: u32At(32),
    ingressIfindex: u32At(36),
    ifindex: u32At(40),
    tcIndex: u16At(44),
    cb0: u32At(48),
    cb1: u32At(52),
    cb2: u32At(56),
    cb3: u32At(60),
    cb4: u32At(64),
    hash: u32At(68),
    tcClassid: u16At(72),
    tstamp: { offset: 152, size: 8, type: U64 },
    wireLength: u32At(160),
    gsoSegments: u32At(164),
    gsoSize: u32At(176),
  },
};

/** By the function of `wirescript/kernel` that declares a program. */
export const HOOKS: Readonly<Record<string, Hook>> = { xdp: XDP, "tc.ingress": TC, "tc.egress": TC };

/** Helper functions that only programs of one type may call. */
const ONLY: Partial<Record<HelperName, ProgramType>> = {
  redirect_map: "xdp",
  xdp_adjust_head: "xdp",
  xdp_adjust_meta: "xdp",
  xdp_adjust_tail: "xdp",
  xdp_get_buff_len: "xdp",
  xdp_load_bytes: "xdp",
  xdp_store_bytes: "xdp",
};

export function mayCall(hook: Hook, helper: HelperName): boolean {
  const only = ONLY[helper];
  return only === undefined || only === hook.type;
}
