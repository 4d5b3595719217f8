/** The two who talk: `PEER` pings `HOST`, unless something else is said. */

export interface Host {
  mac: readonly number[];
  ipv4: readonly number[];
  ipv6: readonly number[];
}

export const HOST: Host = {
  mac: [0x02, 0x11, 0x22, 0x33, 0x44, 0x55],
  ipv4: [10, 11, 1, 1],
  ipv6: [0xfc, 0, 0xde, 0xad, 0xca, 0xfe, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
};

export const PEER: Host = {
  mac: [0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee],
  ipv4: [10, 11, 1, 2],
  ipv6: [0xfe, 0x80, ...new Array<number>(13).fill(0), 7],
};
