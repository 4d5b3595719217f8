/**
 * The verifier's complaint in the terms of the source: it speaks of registers, and prints what it knows of each ("R2=pkt(off=14,r=34)").
 * Here that becomes "the packet at offset 14, of which 34 bytes are checked". Where nothing is known, nothing is said.
 */

/** What the verifier knows of a register, as it prints it: "pkt", { off: "14", r: "34" }. */
export interface Register {
  kind: string;
  facts: ReadonlyMap<string, string>;
}

/** The registers as the log's last lines have them. Later lines name only what changed. */
export function registersAt(log: string): ReadonlyMap<number, Register> {
  const registers = new Map<number, Register>();
  for (const line of log.split("\n")) {
    // Another path starts anew, with all registers that it has.
    if (/^from \d+ to \d+:/.test(line)) registers.clear();
    if (line.startsWith(";") || line.startsWith("mark_precise") || line.startsWith("regs=")) continue;
    for (const [, number, kind = "", facts = ""] of line.matchAll(
      /\bR(\d+)(?:_\w+)?=([\w.-]+)(?:\(([^()]*(?:\([^()]*\)[^()]*)*)\))?/g,
    )) {
      registers.set(Number(number), { kind, facts: factsOf(facts) });
    }
  }
  return registers;
}

function factsOf(text: string): ReadonlyMap<string, string> {
  const facts = new Map<string, string>();
  // "smin=0,smax=umax=255,var_off=(0x0; 0xff)": the value belongs to each name before it.
  for (const part of text.match(/(?:\([^()]*\)|[^,()])+/g) ?? []) {
    const names = part.split("=");
    const value = names.pop() ?? "";
    for (const name of names) facts.set(name.trim(), value.trim());
  }
  return facts;
}

/** "the packet at offset 14, of which 34 bytes are checked" */
export function describeRegister({ kind, facts }: Register): string {
  const offset = facts.get("off") ?? facts.get("imm") ?? "0";
  const { most } = rangeOf(facts);
  const variable = most === null ? "" : ` plus 0 to ${most}`;
  switch (kind) {
    case "pkt":
    case "pkt_meta": {
      const what = kind === "pkt" ? "the packet" : "the packet's metadata";
      const checked = Number(facts.get("r") ?? "0");
      const bytes = checked === 0 ? "none of its bytes is checked" : `${checked} bytes of it are checked`;
      return `${what} at offset ${offset}${variable}, and ${bytes}`;
    }
    case "pkt_end":
      return "the packet's end";
    case "map_value":
      return `an element${ofMap(facts)} of ${facts.get("vs") ?? "?"} bytes, at offset ${offset}${variable}`;
    case "map_value_or_null":
      return `what a lookup${ofMap(facts)} gave, which may be null`;
    case "map_ptr":
      return `the map ${facts.get("map") ?? ""}`.trim();
    case "mem_or_null":
    case "ringbuf_mem_or_null":
      return "reserved memory, which may be null";
    case "mem":
    case "ringbuf_mem":
      return `memory of ${facts.get("sz") ?? facts.get("mem_size") ?? "?"} bytes`;
    case "ctx":
      return "the context";
    case "scalar":
    case "inv":
      return describeScalar(facts);
    default:
      if (/^fp-?\d*$/.test(kind)) return kind === "fp0" || kind === "fp" ? "the stack" : `the stack at ${kind.slice(2)}`;
      return /^-?(0x[0-9a-f]+|\d+)$/.test(kind) ? `the number ${Number(kind)}` : kind;
  }
}

function ofMap(facts: ReadonlyMap<string, string>): string {
  const map = facts.get("map") ?? facts.get("map_name");
  return map === undefined ? " of a map" : ` of the map ${map}`;
}

function describeScalar(facts: ReadonlyMap<string, string>): string {
  const { least, most } = rangeOf(facts);
  if (most === null) return "a number of which nothing is known";
  return least === most ? `the number ${most}` : `a number from ${least} to ${most}`;
}

function rangeOf(facts: ReadonlyMap<string, string>): { least: string; most: string | null } {
  const most = facts.get("umax") ?? facts.get("umax_value") ?? facts.get("umax32") ?? null;
  return { least: facts.get("umin") ?? facts.get("umin_value") ?? facts.get("umin32") ?? "0", most };
}

/** The story of a complaint; "" when nothing can be said that the complaint does not say itself. */
export function storyOf(log: string, complaint: string): string {
  const instruction = log.split("\n").findLast((line) => /^\d+: \([0-9a-f]{2}\) /.test(line)) ?? "";
  const registers = registersAt(log);
  const rule = RULES.find(({ pattern }) => pattern.test(complaint));
  if (rule === undefined) return "";
  const access = accessOf(instruction);
  const named = /\bR(\d+)\b/.exec(complaint)?.[1];
  const number = named === undefined ? access?.register : Number(named);
  const register = number === undefined ? undefined : registers.get(number);
  return rule.tells(access, register, complaint);
}

interface Access {
  verb: "reads" | "writes";
  bytes: number;
  register: number;
  offset: number;
}

const BYTES: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, u64: 8, s8: 1, s16: 2, s32: 4, s64: 8 };

/** "r0 = *(u8 *)(r2 +23)" reads 1 byte behind r2. */
function accessOf(instruction: string): Access | null {
  const [, type = "", register, sign = "+", offset] = /\*\(([us]\d+) \*\)\(r(\d+) ?([+-]) ?(\d+)\)/.exec(instruction) ?? [];
  if (register === undefined) return null;
  const writes = /\*\([us]\d+ \*\)\(r\d+ ?[+-] ?\d+\) [+|&^]?=/.test(instruction);
  const distance = Number(`${sign}${offset}`);
  return { verb: writes ? "writes" : "reads", bytes: BYTES[type] ?? 0, register: Number(register), offset: distance };
}

interface Rule {
  pattern: RegExp;
  tells: (access: Access | null, register: Register | undefined, complaint: string) => string;
}

const RULES: readonly Rule[] = [
  { pattern: /invalid access to packet|outside of the packet/, tells: packetAccess },
  {
    pattern: /invalid mem access '\w*_or_null'|possibly NULL|_or_null/,
    tells: (_, register) => sentence("It uses", register, "without a check for null"),
  },
  { pattern: /invalid access to map value|outside of the allowed memory range|unbounded memory access/, tells: memoryAccess },
  {
    pattern: /math between .* pointer and register with unbounded/,
    tells: (_, register) => sentence("An offset is added that is", register, "so that it could lead anywhere"),
  },
  { pattern: /!read_ok|invalid (indirect )?read from stack/, tells: () => "It reads what was never written on some path." },
  { pattern: /invalid mem access '(scalar|inv)'/, tells: (_, register) => sentence("It uses", register, "as an address") },
  { pattern: /invalid (indirect )?(write|access) (to|from) stack|stack .*out of bounds/, tells: memoryAccess },
  {
    pattern: /misaligned/,
    tells: (_, register) => sentence("The address is in", register, "and not a multiple of the field's size"),
  },
  {
    pattern: /too large|too many (states|branches)|sequence of .* jumps is too complex/,
    tells: () => "There are too many paths through the program for the verifier to walk.",
  },
  { pattern: /back-edge|infinite loop/, tells: () => "A loop does not end as far as the verifier can see." },
  {
    pattern: /combined stack size|stack size .* too large/,
    tells: () => "The functions on this chain of calls need more stack than there is.",
  },
  { pattern: /Unreleased reference/, tells: () => "A reserved record is neither submitted nor discarded on some path." },
  {
    pattern: /unknown func|not supported|program of this type cannot use helper/,
    tells: () => "This kernel does not have the helper function that is called here.",
  },
  {
    pattern: /At program exit|R0 has .*should have been/,
    tells: (_, register) => sentence("The program returns", register, "which is no action"),
  },
];

function packetAccess(access: Access | null, register: Register | undefined, complaint: string): string {
  // The complaint itself has the whole offset, where the offset is a constant.
  const [, offset, size, checked] = /off=(\d+) size=(\d+), R\d+\(.*\br=(\d+)\)/.exec(complaint) ?? [];
  if (offset !== undefined && size !== undefined && checked !== undefined) {
    const bytes = size === "1" ? "1 byte" : `${size} bytes`;
    const known = checked === "0" ? "none of its bytes is checked" : `its first ${checked} bytes are checked`;
    return `It ${access?.verb ?? "uses"} ${bytes} of the packet at offset ${offset}, and ${known} here.`;
  }
  if (register === undefined) return "It reaches into the packet where that was not checked.";
  const place = describeRegister(register);
  if (access === null) return `It reaches into ${place}.`;
  const base = Number(register.facts.get("off") ?? "0");
  const first = base + access.offset;
  const last = first + access.bytes;
  const bytes = access.bytes === 1 ? "1 byte" : `${access.bytes} bytes`;
  return `It ${access.verb} ${bytes} of the packet from offset ${first} on, up to ${last}: ${place}.`;
}

function memoryAccess(access: Access | null, register: Register | undefined): string {
  if (register === undefined) return "";
  if (access === null) return `It reaches into ${describeRegister(register)}.`;
  const bytes = access.bytes === 1 ? "1 byte" : `${access.bytes} bytes`;
  return `It ${access.verb} ${bytes}, ${access.offset} further on: the address is ${describeRegister(register)}.`;
}

function sentence(begin: string, register: Register | undefined, end: string): string {
  return register === undefined ? "" : `${begin} ${describeRegister(register)}, ${end}.`;
}
