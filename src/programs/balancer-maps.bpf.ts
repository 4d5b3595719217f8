/**
 * The tables of the balancer: what its service writes and reads, and its programs look up. The service is in src/balancer.
 *
 * A service is found by address, port and protocol (`services4`, `services6`), or, where it has a whole prefix of addresses or all
 * ports, by way of `vips4` and `vips6`. A new connection takes a slot of the service's ring by a hash of the client, and the slot
 * names a backend; `flows4` and `flows6` remember it from then on. A ring is one map, so user space exchanges it in one step.
 *
 * "Backend" here is a backend of one service: a host that serves two has two numbers, each with its port and its counters.
 */
import {
  array,
  arrayOf,
  arrayOfMaps,
  be16,
  be32,
  bytes,
  devMapHash,
  hash,
  type Infer,
  lpmTrie,
  lruHash,
  perCpuArray,
  setting,
  struct,
  u8,
  u16,
  u32,
  u64,
} from "wirescript/kernel";
import { mac } from "wirescript/net";

/**
 * How packets reach a service's backends. In all modes but DIRECT the balancer is a hop: TTL and hop limit go down by one (of the inner
 * packet in tunnels, as RFC 2003 and RFC 2473 have it). Tags of VLANs stay as they are.
 */
export const Mode = {
  /**
   * Addresses and ports are rewritten on both sides; the answers come back through here. The backend's family is the client's. Of ICMP
   * errors, the outer source becomes `source4`/`source6` on the way to the backend, and the service's address on the way to the client.
   */
  NAT: 0,
  /** The backend has the service's address itself, on the same link: only MAC addresses change, answers go to the client directly. */
  DIRECT: 1,
  /**
   * IP in IP (RFC 2003, RFC 2473); the outer family is the backend's. The outer header has TTL 64, the inner one's TOS or traffic class, id 0
   * with don't fragment, or, for IPv6, the flow's hash as flow label.
   */
  IPIP: 2,
  /**
   * Generic UDP encapsulation (draft-ietf-intarea-gue, variant 1: the IP packet follows the UDP header), to port 6080; the source port is 0xc000
   * plus the lowest 14 bits of the flow's hash. UDP has no checksum, over IPv6 as RFC 6935 allows. The outer IP header is as for IPIP.
   */
  GUE: 3,
  /**
   * The seed's form: the destination becomes the backend, the source address the backend's `source4`/`source6` (zero: it stays), the source
   * port stays; nobody expects an answer through here. The destination port becomes the backend's (0: it stays). The backend's family is the client's.
   */
  REDIRECT: 4,
} as const;

/** Bits of a service's `flags`. */
export const ServiceFlag = {
  /** All connections of a client go to the same backend: the hash leaves the ports out. */
  SOURCE_AFFINITY: 1,
} as const;

/** What a backend's number stands for. */
export const BackendState = {
  /** Nothing: its connections are spread anew. */
  NONE: 0,
  /** Keeps its connections, whether the ring gives it new ones or not (it drains when the ring does not). */
  UP: 1,
} as const;

/** `prefixLength` is 32 or 128 for a single address; `port` 0 stands for all ports. */
export const ServiceKey4 = struct({ address: be32, port: be16, protocol: u8, prefixLength: u8 });
export const ServiceKey6 = struct({ address: bytes(16), port: be16, protocol: u8, prefixLength: u8 });

/** `number` is its index in `rings` and `service_stats`; `ringSize` how many slots its ring has. `flags` are of `ServiceFlag`. */
export const Service = struct({ number: u32, ringSize: u32, flags: u32 });
export type Service = Infer<typeof Service>;

export const services4 = hash({ key: ServiceKey4, value: Service, entries: 16_384, readOnly: true, pinned: true });
export const services6 = hash({ key: ServiceKey6, value: Service, entries: 16_384, readOnly: true, pinned: true });

/** The addresses that are ours: where ping is answered, and what a service's prefix is called in its key. */
const Prefix4 = struct({ prefixLength: u32, address: be32 });
const Prefix6 = struct({ prefixLength: u32, address: bytes(16) });
const Vip4 = struct({ network: be32, prefixLength: u32 });
const Vip6 = struct({ network: bytes(16), prefixLength: u32 });
export const vips4 = lpmTrie({ key: Prefix4, value: Vip4, entries: 16_384, readOnly: true, pinned: true });
export const vips6 = lpmTrie({ key: Prefix6, value: Vip6, entries: 16_384, readOnly: true, pinned: true });

/**
 * A backend says all that a known connection needs, so that its packets are forwarded without looking for the service: `service` is the service's
 * number, `mode` (of `Mode`) and `timeout` (in seconds of 2^30 ns, 0 for none) are the service's too, the same for all of its backends.
 *
 * `address4` or `address6` counts, as `family` (4, 6) says. `mac` is the next hop's, `sourceMac` that of the device `ifindex` which leads there: the
 * packet leaves where it came in when it came in by that device, through `devices` otherwise. With `ifindex` 0 the kernel's routes are asked
 * for all three. `port` 0: the destination port stays. `generation` changes when the number is given to another backend, and when its mode
 * becomes NAT or was it: connections of before are none of its, or begin anew. `source4` and `source6` are for REDIRECT only.
 */
export const Backend = struct({
  generation: u32,
  service: u32,
  timeout: u32,
  state: u8,
  mode: u8,
  family: u8,
  unused: u8,
  mac,
  sourceMac: mac,
  ifindex: u32,
  address4: be32,
  source4: be32,
  address6: bytes(16),
  source6: bytes(16),
  port: be16,
  unused2: bytes(6),
});
export type Backend = Infer<typeof Backend>;
export const backends = array({ value: Backend, entries: 65_536, readOnly: true, pinned: true });

/** The backend's number by slot. */
export const rings = arrayOfMaps({
  inner: array({ value: u32, entries: 65_537, anySize: true, readOnly: true }),
  entries: 16_384,
  pinned: true,
});

/** Devices that packets may be sent out of, by their own number. */
export const devices = devMapHash({ entries: 64, pinned: true });

/** Their MTUs, by the device's number: what is longer does not leave by XDP_REDIRECT, and the kernel tells nobody. */
export const mtus = hash({ key: u32, value: u32, entries: 64, readOnly: true, pinned: true });

/** Frames up to this length, tags included, leave by all `devices`; only for longer ones `mtus` are looked at. Written while the program runs. */
// biome-ignore lint/style/useConst: user space writes it.
export let safe_length: u32 = 0;

/** A connection from the client's side; of answers, from the backend's: it is the client there. */
export const FlowKey4 = struct({
  client: be32,
  server: be32,
  clientPort: be16,
  serverPort: be16,
  protocol: u8,
  unused: bytes(3),
});
export const FlowKey6 = struct({
  client: bytes(16),
  server: bytes(16),
  clientPort: be16,
  serverPort: be16,
  protocol: u8,
  unused: bytes(3),
});

/** What `state` of a connection is. */
export const FlowState = {
  OPEN: 0,
  /** A TCP FIN or RST was seen from either side: the packets still go to its backend, but a SYN begins a new connection. */
  CLOSED: 1,
} as const;

/**
 * `lastSeen` in units of 2^30 ns, which is about a second, of CLOCK_MONOTONIC: of the last packet of either direction. `natPort` is the source
 * port that the backend sees, for NAT. `state` is of `FlowState`. `grace`: 0 while it has had one packet only; later `GRACE`.
 */
export const Flow = struct({ backend: u32, generation: u32, lastSeen: u32, natPort: be16, state: u8, grace: u8 });
/** A connection that came back may be quiet for so much longer than one that did not before it makes room, in units of 2^30 ns. */
export const GRACE = 60;
export type Flow = Infer<typeof Flow>;
export type FlowKey4 = Infer<typeof FlowKey4>;
export type FlowKey6 = Infer<typeof FlowKey6>;

/** How many connections a bucket of `flows4` or `flows6` has room for. What is in them, and where, is in balancer-flows.bpf.ts. */
export const WAYS = 7;
const seal = bytes(3);
const Connection4 = struct({ client: be32, server: be32, clientPort: be16, serverPort: be16, protocol: u8, seal, flow: Flow });
const Connection6 = struct({
  client: bytes(16),
  server: bytes(16),
  clientPort: be16,
  serverPort: be16,
  protocol: u8,
  seal,
  flow: Flow,
});
/** `tags` are of the connections' hashes, with the way's own number in the lowest three bits; 0 where there is none yet. */
export const Tags = arrayOf(u32, WAYS);
const Bucket4 = struct({ tags: Tags, unused: u32, connections: arrayOf(Connection4, WAYS) });
const Bucket6 = struct({ tags: Tags, unused: u32, connections: arrayOf(Connection6, WAYS) });
export type Tags = Infer<typeof Tags>;
export const flows4 = array({ value: Bucket4, entries: 360_000, mmapable: true, pinned: true });
export const flows6 = array({ value: Bucket6, entries: 90_000, mmapable: true, pinned: true });

/**
 * Of both tables, from when they are made on: how many buckets they have, and a random number that the connections' hashes begin with, so that nobody
 * outside knows which connections share a bucket.
 */
export const flow_tables = array({
  value: struct({ seed: u64, buckets4: u32, buckets6: u32 }),
  entries: 1,
  readOnly: true,
  pinned: true,
});

/**
 * What answers are rewritten to, by the backend and the address and port that it answers to; and where they leave: `mac` is the client's, or its
 * router's, `sourceMac` that of our device `ifindex`. `service` and `backend` are numbers. A connection's port is given to another client only when
 * `state` is CLOSED and it rests for 4 seconds, or for `timeout`.
 */
export const Origin4 = struct({
  client: be32,
  vip: be32,
  clientPort: be16,
  vipPort: be16,
  mac,
  sourceMac: mac,
  ifindex: u32,
  backend: u32,
  service: u32,
  lastSeen: u32,
  timeout: u32,
  state: u32,
});
export const Origin6 = struct({
  client: bytes(16),
  vip: bytes(16),
  clientPort: be16,
  vipPort: be16,
  mac,
  sourceMac: mac,
  ifindex: u32,
  backend: u32,
  service: u32,
  lastSeen: u32,
  timeout: u32,
  state: u32,
});
export type Origin4 = Infer<typeof Origin4>;
export type Origin6 = Infer<typeof Origin6>;
export const origins4 = lruHash({ key: FlowKey4, value: Origin4, entries: 1_048_576, perCpuLists: true, pinned: true });
export const origins6 = lruHash({ key: FlowKey6, value: Origin6, entries: 262_144, perCpuLists: true, pinned: true });

/** `packets` and `bytes` (whole frames) came from clients, `replies` and `replyBytes` from backends, for NAT. */
export const ServiceStats = struct({ packets: u64, bytes: u64, replies: u64, replyBytes: u64, flows: u64, drops: u64 });
/** By the service's number. */
export const service_stats = perCpuArray({ value: ServiceStats, entries: 16_384, pinned: true });

export const BackendStats = struct({ packets: u64, bytes: u64, replies: u64, replyBytes: u64, flows: u64 });
/** By the backend's number. */
export const backend_stats = perCpuArray({ value: BackendStats, entries: 65_536, pinned: true });

/**
 * What else happened to packets, by number. Every packet that is not forwarded is counted here once; of those forwarded, those that are marked so.
 * Neighbour and router discovery (ICMPv6 133 to 137) is passed to the network stack whatever its destination, and so is all that is not IP.
 */
export const Reason = {
  /** Passed to the network stack: for no address of ours, or neighbour discovery. */
  NOT_OURS: 0,
  /** Dropped: our address, but no service has that port and protocol. */
  NO_SERVICE: 1,
  /** Dropped: the service has no backend that takes connections. */
  NO_BACKEND: 2,
  /** Dropped: a fragment to an address of ours, which has no ports or belongs to one that has them. */
  FRAGMENT: 3,
  /** Dropped: the packet ends within its headers or before the length that they say, or they are none. What is for somebody else is passed. */
  MALFORMED: 4,
  /** Dropped: IP options, or more IPv6 extension headers than are looked at. */
  OPTIONS: 5,
  /** Answered with ICMP "time exceeded": the TTL or hop limit ends here. Dropped when there are more of these than `icmp_rate`. */
  TTL_EXPIRED: 6,
  /**
   * Answered with ICMP "fragmentation needed" or "packet too big": with its outer headers, if there are any, it is larger than the MTU of the device
   * that it should leave by, or, in tunnels, than `mtu`. Dropped as above, and when it is an ICMP error itself.
   */
  TOO_BIG: 7,
  /** Dropped: every source port that was tried is taken. */
  NO_NAT_PORT: 8,
  /** Dropped: the kernel gave no room for outer headers. */
  NO_HEADROOM: 9,
  /** Answered: ping to an address of ours. The answer has TTL or hop limit 64. */
  ECHO: 10,
  /** Forwarded: an ICMP error to the connection that it is about. */
  ICMP_ERROR: 11,
  /** Dropped: an ICMP error about no connection of ours. */
  ICMP_UNKNOWN: 12,
  /** Forwarded, but not remembered: more new connections in a second than the limit. Dropped for NAT, whose answers would be lost. */
  RATE_GUARD: 13,
  /** Forwarded: the connection's backend is gone or timed out, another one was chosen. */
  MOVED: 14,
  /**
   * Passed to the network stack: to `source4` or `source6`, and no answer to a connection of ours. The address is this host's own, so that its other
   * traffic comes here too.
   */
  NO_ORIGIN: 15,
  /** Dropped: the kernel has no route to a backend without `ifindex`, or may not forward. */
  NO_ROUTE: 16,
  /** Dropped: the kernel does not know the MAC address of the next hop of a backend without `ifindex`. */
  NO_NEIGHBOUR: 17,
  /** Dropped: the device that it should leave by is not in `devices`. */
  NO_DEVICE: 18,
  /** Dropped: the backend's mode, family or addresses do not fit the packet, or a tunnel or NAT has no `source4`/`source6`. */
  UNFIT: 19,
} as const;
export const REASONS = 20;
const ReasonRecord = struct({ packets: u64, bytes: u64 });
export const reasons = perCpuArray({ value: ReasonRecord, entries: REASONS, pinned: true });

/** Ports of NAT that are being taken from a connection that is over, so that two CPUs do not give one to two clients. */
export const claims4 = lruHash({ key: FlowKey4, value: u32, entries: 1024, pinned: true });
export const claims6 = lruHash({ key: FlowKey6, value: u32, entries: 1024, pinned: true });

/** What each CPU has done in this `second` (of 2^30 ns): connections remembered, and ICMP errors sent. */
const Rate = struct({ second: u32, flows: u32, errors: u32 });
export type Rate = Infer<typeof Rate>;
export const rates = perCpuArray({ value: Rate, entries: 1, pinned: true });

/** The address that backends see as the client's in NAT, and the outer source of tunnels; zero when there is none. */
export const source4 = setting(be32, 0);
export const source6 = setting(bytes(16), bytes(16)());
/** Source ports for NAT: from `nat_first`, `nat_ports` of them. */
export const nat_first = setting(u16, 1024);
export const nat_ports = setting(u32, 64_512);
/** The most new connections per CPU and 2^30 ns that are remembered: so fast, and no faster, a flood of them fills the tables. */
export const flow_rate = setting(u32, 125_000);
/** The most ICMP errors of our own per CPU and 2^30 ns (RFC 4443, section 2.4 (f)). */
export const icmp_rate = setting(u32, 1000);
/** The largest IP packet that goes into tunnels, outer headers included, in bytes. */
export const mtu = setting(u16, 1500);
