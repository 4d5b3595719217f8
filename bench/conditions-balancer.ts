/** Services for the balancer: the corpus's host with some of the corpus's ports, in every mode, one of them with a backend that is gone. */
import { HOST } from "../test/packets/index.ts";
import type { Conditions, Entry } from "./conditions.ts";

const RING_SIZE = 16_381;
const [DIRECT, TUNNEL, NAT] = [0, 1, 2];
const [TCP, UDP] = [6, 17];
/** With the number 6 there is none. */
const BACKENDS = 6;

function u32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}

function service(protocol: number, port: number, number: number, mode: number): Entry {
  return [
    [...HOST.ipv4, port >> 8, port & 0xff, protocol, 0],
    [...u32(number), ...u32(mode)],
  ];
}

function backend(number: number): Entry {
  return [u32(number), [192, 168, 0, number, 8080 >> 8, 8080 & 0xff, 2, 0, 0, 0, 1, number]];
}

function* ring(services: number): Generator<Entry> {
  for (let slot = 0; slot < services * RING_SIZE; slot++) yield [u32(slot), u32(1 + (slot % BACKENDS))];
}

export const BALANCER: Conditions = {
  settings: { gateway: Uint8Array.of(2, 0, 0, 0, 0, 0xfe), tunnel_source: 0x0a0b_0c0d },
  tables: {
    services: [
      service(TCP, 80, 0, NAT),
      service(TCP, 81, 1, DIRECT),
      service(TCP, 79, 2, TUNNEL),
      service(UDP, 80, 2, NAT),
      service(UDP, 81, 0, TUNNEL),
      service(UDP, 0x100, 1, DIRECT),
      // No such number, no such mode.
      service(UDP, 1, 64, NAT),
      service(TCP, 1, 63, 7),
    ],
    backends: [1, 2, 3, 4, 5].map(backend),
    ring: [...ring(3)],
  },
  untouched: ["ring"],
};
