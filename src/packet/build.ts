/**
 * A packet from a description: `eth/ip(src=10.0.0.1,dst=10.0.0.2)/udp(dport=53)/payload(text="hi")`. What is not said has a sensible value;
 * types, lengths and checksums are computed, unless they are given: a wrong one is as easy to make as a right one.
 */
import { badPacket } from "./bad-packet.ts";
import { checksumOf } from "./decode.ts";
import { parseField, writeField } from "./fields.ts";
import { parseHex } from "./hex.ts";
import { parseLayers, type WrittenLayer } from "./layer-syntax.ts";
import type { Field, Protocol, Value } from "./protocol.ts";
import { PROTOCOLS } from "./protocols/index.ts";

interface Plan {
  protocol: Protocol;
  /** What the description says. */
  given: Map<string, Value>;
  options: Uint8Array;
}

/** @throws WirescriptError USAGE with the place in the description that is wrong. */
export function buildPacket(description: string): Uint8Array {
  const layers = parseLayers(description);
  const last = layers.at(-1);
  const payload = last?.name === "payload" ? payloadOf(last) : new Uint8Array(0);
  const headers = last?.name === "payload" ? layers.slice(0, -1) : layers;
  const plans = headers.map(planOf);
  if (plans[0]?.protocol.name !== "eth") {
    throw badPacket(
      `The packet does not begin with eth, but with ${layers[0]?.name ?? "nothing"}.`,
      "XDP and TC programs see Ethernet frames.",
      `Write eth/ in front: eth/${description}`,
    );
  }
  for (const [index, plan] of plans.entries()) link(plan, plans[index + 1]);
  return assemble(plans, payload);
}

function planOf({ name, arguments: args }: WrittenLayer): Plan {
  const protocol = PROTOCOLS.get(name);
  if (protocol === undefined) {
    throw badPacket(
      name === "payload" ? "Something follows the payload." : `There is no protocol "${name}".`,
      `Known are ${[...PROTOCOLS.keys()].join(", ")}, and payload, which is the last.`,
      "For example: eth/ip/udp(dport=53)/payload",
    );
  }
  const given = new Map<string, Value>();
  let options = new Uint8Array(0);
  for (const [key, text] of args) {
    if (key === "options") {
      options = Uint8Array.from(parseHex(text));
      if (options.length % 4 === 0 && protocol.headerLength !== undefined) continue;
      throw badPacket(
        `${name} cannot have these options.`,
        `They are ${options.length} bytes; options come in fours, where a header has any.`,
        "Pad them.",
      );
    }
    const field = protocol.fields.find((each) => each.name === key || each.also === key);
    if (field === undefined) {
      const names = protocol.fields.map(({ name, also }) => (also === undefined ? name : `${name} (${also})`));
      throw badPacket(`${name} has no field "${key}".`, `It has ${names.join(", ")}.`, "Name one of these.");
    }
    given.set(field.name, parseField(field, text, `${name}.${key}`));
  }
  return { protocol, given, options };
}

/** Makes a header say what follows it. */
function link({ protocol, given }: Plan, next: Plan | undefined): void {
  if (next === undefined) return;
  const says = protocol.carry?.(next.protocol.name) ?? null;
  if (says === null) {
    throw badPacket(
      `${next.protocol.name} cannot follow ${protocol.name}.`,
      `${protocol.title} has no number for ${next.protocol.title}.`,
      "Put a header between them that can carry it, or leave one out.",
    );
  }
  for (const [field, value] of Object.entries(says)) if (!given.has(field)) given.set(field, value);
}

function assemble(plans: readonly Plan[], payload: Uint8Array): Uint8Array {
  let behind = payload;
  for (let index = plans.length - 1; index >= 0; index--) {
    const plan = plans[index] as Plan; // the index is within the list
    behind = header(plan, behind, plans.slice(0, index));
  }
  return behind;
}

/** The header with what follows it. */
function header({ protocol, given, options }: Plan, behind: Uint8Array, outer: readonly Plan[]): Uint8Array {
  const values: Record<string, Value> = {};
  const present: Field[] = [];
  for (const field of protocol.fields) {
    // A field that is written down exists, and the flag that announces it is set.
    if (field.present?.(values) === false) {
      if (!given.has(field.name)) continue;
      announce(protocol, field, values);
    }
    values[field.name] = given.get(field.name) ?? initial(field);
    present.push(field);
  }
  const fixed = present.reduce((bits, field) => bits + field.bits, 0) / 8;
  const length = fixed + options.length;
  for (const [name, value] of Object.entries(protocol.lengths?.(length, behind.length) ?? {})) {
    if (!given.has(name)) values[name] = value;
  }
  const bytes = new Uint8Array(length + behind.length);
  const write = (): void => {
    let at = 0;
    for (const field of present) {
      // Every field that is present has a value.
      writeField(bytes, at, field, values[field.name] as Value);
      at += field.bits;
    }
  };
  write();
  bytes.set(options, fixed);
  bytes.set(behind, length);
  const sum = protocol.checksum;
  if (sum !== undefined && !given.has(sum.field) && present.some(({ name }) => name === sum.field)) {
    values[sum.field] = 0;
    write();
    const covered = sum.covers === "header" ? bytes.subarray(0, length) : bytes;
    values[sum.field] = checksumOf(sum, covered, values, addressesOf(outer)) ?? 0;
    write();
  }
  return bytes;
}

function announce(protocol: Protocol, field: Field, values: Record<string, Value>): void {
  for (const { name, bits } of protocol.fields) {
    if (bits !== 1 || values[name] !== 0) continue;
    values[name] = 1;
    if (field.present?.(values) === true) return;
    values[name] = 0;
  }
  throw badPacket(
    `${protocol.name} has no ${field.name} here.`,
    "Other fields say that it is another kind of message, without that field.",
    "Leave it out, or change what the others say.",
  );
}

function initial(field: Field): Value {
  const { initial: text, kind, bits } = field;
  if (text !== undefined) return parseField(field, `${text}`, field.name);
  return kind === "number" || kind === "hex" ? 0 : new Uint8Array(bits / 8);
}

function addressesOf(outer: readonly Plan[]): { src: Uint8Array; dst: Uint8Array } | null {
  const ip = outer.findLast(({ protocol }) => protocol.name === "ip" || protocol.name === "ip6");
  if (ip === undefined) return null;
  const address = (name: string): Uint8Array => {
    const value = ip.given.get(name);
    const field = ip.protocol.fields.find((each) => each.name === name) as Field; // IP headers have both
    return (value ?? initial(field)) as Uint8Array; // addresses are bytes
  };
  return { src: address("src"), dst: address("dst") };
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz";

function payloadOf({ arguments: args }: WrittenLayer): Uint8Array {
  const [first, ...more] = args;
  if (first === undefined) return new TextEncoder().encode(ALPHABET);
  const [key, text] = first;
  if (more.length === 0) {
    if (key === "text") return new TextEncoder().encode(text);
    if (key === "hex") return parseHex(text);
    if (key === "length" && /^\d{1,5}$/.test(text)) {
      return Uint8Array.from({ length: Number(text) }, (_, index) => ALPHABET.charCodeAt(index % ALPHABET.length));
    }
  }
  throw badPacket(
    "The payload is not understood.",
    `It says ${args.map(([name, value]) => `${name}=${value}`).join(", ")}.`,
    'Write payload, payload(text="hi"), payload(hex=6869) or payload(length=100).',
  );
}
