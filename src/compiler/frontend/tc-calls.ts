/**
 * The methods of TC's context: helper functions on the socket buffer. Most of them may move the packet, so the views from before die; the
 * list of those that do not is the kernel's (`bpf_helper_changes_pkt_data`).
 */
import type ts from "typescript";
import type { HelperName } from "../../object/helpers.ts";
import type { Value as Ssa } from "../ir/ir.ts";
import { lowerExpression, lowerInt, present } from "./expressions.ts";
import { SCALARS, type SizedLayout, structLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { withAddress } from "./maps.ts";
import { constantBytes } from "./memory.ts";
import { readField } from "./places.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import { type RecordField, type RecordValue, U32, U64, type Value } from "./values.ts";

/** The flags of linux/bpf.h by the options that stand for them. */
const BPF_F_INGRESS = { ingress: 1 };
const STORE_FLAGS = { recomputeChecksum: 1, invalidateHash: 2 };
const ROOM_FLAGS = {
  fixedGso: 1 << 0,
  encapIpv4: 1 << 1,
  encapIpv6: 1 << 2,
  encapGre: 1 << 3,
  encapUdp: 1 << 4,
  noChecksumReset: 1 << 5,
  encapEthernet: 1 << 6,
  decapIpv4: 1 << 7,
  decapIpv6: 1 << 8,
};
/** BPF_ADJ_ROOM_NET and BPF_ADJ_ROOM_MAC. */
const ROOM_MODES: Readonly<Record<string, number>> = { net: 0, mac: 1 };
const CHECKSUM_FLAGS = { pseudoHeader: 0x10, mangledZero: 0x20 };

const AF_INET = 2;
const AF_INET6 = 10;
const NEXT_HOP_IPV4 = layoutOf([
  ["family", SCALARS.get("u32")],
  ["address", SCALARS.get("be32")],
  ["rest", { kind: "bytes", size: 12 }],
]);
const NEXT_HOP_IPV6 = layoutOf([
  ["family", SCALARS.get("u32")],
  ["address", { kind: "bytes", size: 16 }],
]);

function layoutOf(fields: [string, SizedLayout | undefined][]): SizedLayout {
  const layout = structLayout("bpf_redir_neigh", fields as [string, SizedLayout][]); // the scalars are always there
  if ("incomplete" in layout) throw new Error("bpf_redir_neigh has whole bytes only");
  return layout;
}

type Method = (l: Lowering, node: ts.CallExpression) => Value;

export const TC_METHODS: Readonly<Record<string, Method>> = {
  pull: moving("skb_pull_data", ["length"]),
  pushVlan: (l, node) => {
    const protocol = inNetworkOrder(l, lowerInt(l, argument(l, node, 0), "pushVlan").ssa, 16);
    return moved(l, node, l.call("skb_vlan_push", [l.context, protocol, lowerInt(l, argument(l, node, 1), "pushVlan").ssa]));
  },
  popVlan: moving("skb_vlan_pop", []),
  changeTail: moving("skb_change_tail", ["length"], [0]),
  changeHead: moving("skb_change_head", ["bytes"], [0]),
  changeType: (l, node) => {
    const result = l.call("skb_change_type", [l.context, lowerInt(l, argument(l, node, 0), "changeType").ssa]);
    return succeeded(l, result);
  },
  setHash: (l, node) => {
    l.call("set_hash", [l.context, lowerInt(l, argument(l, node, 0), "setHash").ssa]);
    return { kind: "void" };
  },
  recalculateHash: (l) => l.wrap({ kind: "int", ssa: l.call("get_hash_recalc", [l.context]), type: U64 }, U32),
  invalidateHash: (l) => {
    l.call("set_hash_invalid", [l.context]);
    return { kind: "void" };
  },
  redirect: (l, node) => {
    const ifindex = lowerInt(l, argument(l, node, 0), "redirect").ssa;
    return action(l.call("redirect", [ifindex, l.builder.const(flagsOf(l, node, 1, BPF_F_INGRESS))]));
  },
  redirectPeer: (l, node) => {
    const ifindex = lowerInt(l, argument(l, node, 0), "redirectPeer").ssa;
    return action(l.call("redirect_peer", [ifindex, l.builder.const(0)]));
  },
  redirectNeigh: (l, node) => {
    const ifindex = lowerInt(l, argument(l, node, 0), "redirectNeigh").ssa;
    const none = l.builder.const(0);
    const hopNode = node.arguments[1];
    const hop = hopNode === undefined ? null : nextHopOf(l, hopNode);
    if (hopNode === undefined || hop === null) return action(l.call("redirect_neigh", [ifindex, none, none, none]));
    return withAddress(l, hopNode, hop.layout, hop.value, (address) =>
      action(l.call("redirect_neigh", [ifindex, address, l.builder.const(hop.layout.size), none])),
    );
  },
  cloneRedirect: (l, node) => {
    const ifindex = lowerInt(l, argument(l, node, 0), "cloneRedirect").ssa;
    const flags = l.builder.const(flagsOf(l, node, 1, BPF_F_INGRESS));
    return moved(l, node, l.call("clone_redirect", [l.context, ifindex, flags]));
  },
  storeBytes: (l, node) => {
    const offset = lowerInt(l, argument(l, node, 0), "storeBytes").ssa;
    const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 1)));
    const valueNode = argument(l, node, 2);
    const value = present(lowerExpression(l, valueNode));
    const flags = l.builder.const(flagsOf(l, node, 3, STORE_FLAGS));
    const store = (address: Ssa) =>
      l.call("skb_store_bytes", [l.context, offset, address, l.builder.const(layout.size), flags]);
    // The helper takes no addresses in the packet.
    const result = withAddress(l, valueNode, layout, value, store, false);
    return moved(l, node, result);
  },
  adjustRoom: (l, node) => {
    const delta = lowerInt(l, argument(l, node, 0), "adjustRoom").ssa;
    const modeNode = argument(l, node, 1);
    const mode = present(lowerExpression(l, modeNode));
    const number = mode.kind === "string" ? ROOM_MODES[mode.text] : undefined;
    if (number === undefined) return l.fail(modeNode, "WS2060");
    const flags = BigInt(flagsOf(l, node, 2, ROOM_FLAGS)) | (BigInt(numberOption(l, node, 2, "encapL2Length") & 0xff) << 56n);
    const result = l.call("skb_adjust_room", [l.context, delta, l.builder.const(number), l.builder.const(flags)]);
    return moved(l, node, result);
  },
  replaceL3Checksum: (l, node) => replaceInChecksum(l, node, "l3_csum_replace"),
  replaceL4Checksum: (l, node) => replaceInChecksum(l, node, "l4_csum_replace"),
  addToL3Checksum: (l, node) => addToChecksum(l, node, "l3_csum_replace"),
  addToL4Checksum: (l, node) => addToChecksum(l, node, "l4_csum_replace"),
};

/** A method that hands its integers to `helper`, and `rest` behind them. */
function moving(helper: HelperName, parameters: readonly string[], rest: readonly number[] = []): Method {
  return (l, node) => {
    const args = parameters.map((name, index) => lowerInt(l, argument(l, node, index), name).ssa);
    return moved(l, node, l.call(helper, [l.context, ...args, ...rest.map((value) => l.builder.const(value))]));
  };
}

function moved(l: Lowering, node: ts.CallExpression, result: Ssa): Value {
  l.packetMoved(node);
  return succeeded(l, result);
}

/** Helpers answer 0 for success, else a negative errno. */
function succeeded(l: Lowering, result: Ssa): Value {
  return l.bool(l.compare("eq", result, l.builder.const(0)));
}

function action(ssa: Ssa): Value {
  return { kind: "int", ssa, type: U64 };
}

/** `struct bpf_redir_neigh`: the address's family, and 16 bytes for the address. `null` when none is given. */
function nextHopOf(l: Lowering, node: ts.Expression): { layout: SizedLayout; value: RecordValue } | null {
  const given = present(lowerExpression(l, node));
  if (given.kind === "null") return null;
  const fields = given.kind === "record" ? given.fields : new Map<string, RecordField>();
  const [ipv4, ipv6] = [fields.get("ipv4"), fields.get("ipv6")];
  const constant = (value: Value): RecordField => ({ value, place: null });
  const rest = constantBytes(l, new Array<number>(12).fill(0));
  if (ipv4 !== undefined) {
    const parts = { family: constant(l.int(AF_INET)), address: ipv4, rest: constant(rest) };
    return { layout: NEXT_HOP_IPV4, value: { kind: "record", fields: new Map(Object.entries(parts)) } };
  }
  if (ipv6 === undefined) return l.fail(node, "WS2060");
  const parts = { family: constant(l.int(AF_INET6)), address: ipv6 };
  return { layout: NEXT_HOP_IPV6, value: { kind: "record", fields: new Map(Object.entries(parts)) } };
}

/** The options that are set in an object literal, as the kernel's flags. They must be constants. */
function flagsOf(l: Lowering, call: ts.CallExpression, index: number, flags: Readonly<Record<string, number>>): number {
  const node = call.arguments[index];
  if (node === undefined) return 0;
  const options = present(lowerExpression(l, node));
  if (options.kind === "null") return 0;
  if (options.kind !== "record") return l.fail(node, "WS2060");
  let result = 0;
  for (const [name, field] of options.fields) {
    const value = readField(l, field);
    if (value.kind === "null") continue;
    if (value.kind !== "int" || value.ssa.op !== "const") return l.fail(node, "WS2060");
    if (value.ssa.value !== 0n) result |= flags[name] ?? 0;
  }
  return result;
}

/** The option that is a number; 0 when it is left out. */
function numberOption(l: Lowering, call: ts.CallExpression, index: number, name: string): number {
  const node = call.arguments[index];
  const options = node === undefined ? null : present(lowerExpression(l, node));
  const field = options?.kind === "record" ? options.fields.get(name) : undefined;
  const value = field === undefined ? null : readField(l, field);
  return value?.kind === "int" && value.ssa.op === "const" ? Number(value.ssa.value) : 0;
}

/** The helpers take what stands in the packet: two or four bytes, as they lie there. */
function replaceInChecksum(l: Lowering, node: ts.CallExpression, helper: "l3_csum_replace" | "l4_csum_replace"): Value {
  const offset = lowerInt(l, argument(l, node, 0), "a checksum").ssa;
  const schemaNode = argument(l, node, 1);
  const layout = sizedLayoutOf(l, schemaNode, lowerExpression(l, schemaNode));
  if (layout.kind !== "scalar" || (layout.size !== 2 && layout.size !== 4)) return l.fail(schemaNode, "WS2061");
  const from = asInMemory(l, layout, argument(l, node, 2));
  const to = asInMemory(l, layout, argument(l, node, 3));
  const flags = layout.size | (helper === "l4_csum_replace" ? flagsOf(l, node, 4, CHECKSUM_FLAGS) : 0);
  return moved(l, node, l.call(helper, [l.context, offset, from, to, l.builder.const(flags)]));
}

function asInMemory(l: Lowering, layout: SizedLayout & { kind: "scalar" }, node: ts.Expression): Ssa {
  const bits = layout.size === 2 ? 16 : 32;
  const wrapped = l.wrap(lowerInt(l, node, "a checksum"), { bits, signed: false }).ssa;
  return layout.bigEndian ? inNetworkOrder(l, wrapped, bits) : wrapped;
}

function inNetworkOrder(l: Lowering, ssa: Ssa, bits: 16 | 32): Ssa {
  return l.builder.emit({ op: "bswap", type: "int", args: [ssa], bits });
}

/** Size 0: `from` is 0, and `to` the difference as bpf_csum_diff gives it. */
function addToChecksum(l: Lowering, node: ts.CallExpression, helper: "l3_csum_replace" | "l4_csum_replace"): Value {
  const offset = lowerInt(l, argument(l, node, 0), "a checksum").ssa;
  const difference = lowerInt(l, argument(l, node, 1), "a checksum").ssa;
  const flags = helper === "l4_csum_replace" ? flagsOf(l, node, 2, CHECKSUM_FLAGS) : 0;
  return moved(l, node, l.call(helper, [l.context, offset, l.builder.const(0), difference, l.builder.const(flags)]));
}
