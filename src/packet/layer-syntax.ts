/** The syntax of packet descriptions: `name(key=value,key="text")/name/…`. */
import { badPacket } from "./bad-packet.ts";

export interface WrittenLayer {
  name: string;
  arguments: [key: string, value: string][];
}

/** @throws WirescriptError USAGE with the place where the text stops making sense. */
export function parseLayers(description: string): WrittenLayer[] {
  let at = 0;
  const fail = (expected: string): never => {
    const there = at < description.length ? `stands "${description.slice(at, at + 12)}"` : "it ends";
    throw badPacket(
      `The packet's description makes no sense at character ${at + 1}.`,
      `There ${there}, and ${expected} is expected.`,
      'For example: eth/ip(src=10.0.0.1,ttl=1)/udp(dport=53)/payload(text="hi")',
    );
  };
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(description);
    if (found === null) return null;
    at += found[0].length;
    return found[1] ?? found[0];
  };
  const layers: WrittenLayer[] = [];
  do {
    const name = take(/\s*([a-z]\w*)\s*/iy) ?? fail("a protocol's name");
    const layer: WrittenLayer = { name: name.toLowerCase(), arguments: [] };
    if (take(/\(\s*/y) !== null && take(/\)\s*/y) === null) {
      do {
        const key = take(/\s*([a-z]\w*)\s*=\s*/iy) ?? fail("NAME=VALUE");
        const value = take(/"([^"]*)"\s*/y) ?? take(/([^,()"]+)/y)?.trim() ?? fail("a value");
        layer.arguments.push([key, value]);
      } while (take(/,/y) !== null);
      if (take(/\)\s*/y) === null) fail('"," or ")"');
    }
    layers.push(layer);
  } while (take(/\//y) !== null);
  if (at < description.length) fail('"/" or "("');
  return layers;
}
