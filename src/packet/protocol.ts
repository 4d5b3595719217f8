/**
 * A protocol as a description: its fields in wire order, what it carries, what its lengths and checksums cover. One description serves
 * taking packets apart (`decode.ts`) and putting them together (`build.ts`), so the two cannot disagree. Fields have the names that
 * they have in `wirescript/net`.
 */

/** Numbers up to 32 bits; addresses and other longer things are bytes. */
export type Value = number | Uint8Array;

export type Values = Readonly<Record<string, Value>>;

export interface Field {
  readonly name: string;
  readonly bits: number;
  /** How it is written: a number, a number in hexadecimal, an address, bytes in hexadecimal. */
  readonly kind: "number" | "hex" | "mac" | "ip" | "bytes";
  /** The short name that other tools give it, for the command line. */
  readonly also?: string;
  /** What it is in a packet that is built without saying; 0 when left out. */
  readonly initial?: number | string;
  /** Numbers that have a name. */
  readonly names?: Readonly<Record<number, string>>;
  /** Names of single bits, from the lowest. */
  readonly flags?: readonly string[];
  /** For a field that is there only when earlier ones say so. */
  readonly present?: (values: Values) => boolean;
}

export interface Protocol {
  /** As it is written in a packet's description: "ip". */
  readonly name: string;
  /** As people call it: "IPv4". */
  readonly title: string;
  readonly fields: readonly Field[];
  /** Bytes of the header, options included, by its own word; the fields are all there is when left out. */
  readonly headerLength?: (values: Values) => number;
  /** Bytes that follow the header, by its own word; all there are when left out. */
  readonly payloadLength?: (values: Values, headerLength: number) => number;
  /** The name of the protocol that follows; null for a payload that is not looked into. */
  readonly next?: (values: Values) => string | null;
  /** What the header must say so that `next` follows; null when that cannot be. */
  readonly carry?: (next: string) => Values | null;
  /** The lengths that the header states, when `headerLength` and `payloadLength` are these. */
  readonly lengths?: (headerLength: number, payloadLength: number) => Values;
  readonly checksum?: Checksum;
  /** Whether what follows is the beginning of somebody else's packet, as ICMP errors quote it: its lengths and checksums say nothing. */
  readonly quotes?: (values: Values) => boolean;
}

export interface Checksum {
  readonly field: string;
  /** The header alone; header and payload; or these behind addresses, length and protocol of the IP header in front (RFC 9293, RFC 8200). */
  readonly covers: "header" | "message" | "pseudo-header";
  /** The protocol number in the pseudo-header. */
  readonly protocol?: number;
  /** Whether there is none to check: UDP over IPv4 may leave it out, a fragment has it elsewhere. */
  readonly absent?: (values: Values) => boolean;
}

export const numberOf = (values: Values, name: string): number => {
  const value = values[name];
  return typeof value === "number" ? value : 0;
};
