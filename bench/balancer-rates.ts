/**
 * How many small datagrams a second the balancer's NAT takes over a veth pair, beside the same NAT by nftables and
 * beside `xdp-bench tx`, which sends back what it gets. All of it in one run, in turns, on one CPU, sender and receiver included: a figure to
 * compare with the others of the same run, and with nothing else. It says nothing about a network card.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { bucketsFor } from "../src/balancer/datapath/flow-tables.ts";
import { WirescriptError } from "../src/errors.ts";
import type { ObjectSpec } from "../src/object/spec.ts";
import { formatIp } from "../src/sys/ip-address.ts";
import { formatMac } from "../src/sys/mac.ts";
import { inNamespace } from "../src/sys/namespaces.ts";
import { getLink } from "../src/sys/netlink/index.ts";
import { BalancerUnderTest } from "../test/balancer/datapath.ts";
import type { ServiceFixture } from "../test/balancer/fixtures.ts";
import { PROTOCOL } from "../test/packets/index.ts";
import { table } from "./table.ts";
import { CLIENT, MeasuringWire, NEAR, PORT, SERVICE } from "./wire.ts";
import { findXdpBench, loadXdpBenchTx } from "./xdp-bench.ts";

const CONNECTIONS = 1024;
const ROUNDS = 9;
/** A round should take about a quarter of a second. */
const PACKETS = { balancer: 250_000, nftables: 50_000, xdpBenchTx: 300_000 } as const;
type Contender = keyof typeof PACKETS;

/** What `nftables` and the balancer send from, and to: four hosts. */
const SOURCE = "10.0.0.1";
const BACKENDS = [11, 12, 13, 14].map((number) => ({
  number,
  address: `10.0.0.${number}`,
  mac: `02:00:00:00:be:${number}`,
  port: 8080,
}));
const [CLIENT_ADDRESS, VIP] = [CLIENT, SERVICE].map(({ ipv4 }) => formatIp(Uint8Array.from(ipv4)));

export interface Ratio {
  median: number;
  quartiles: [number, number];
}

/** Packets per second, the median of the rounds. */
export interface Rates {
  wire: "veth";
  connections: number;
  frameBytes: number;
  packetsPerSecond: Record<Contender, number>;
  /** The balancer's rate by that of each other: of the rounds, the median and the quartiles. */
  ratio: { nftables: Ratio; xdpBenchTx: Ratio };
}

/** Why it cannot be measured here; null when it can. */
function missing(): string | null {
  if (findXdpBench() === null) return "xdp-bench is missing (on Debian: apt install xdp-tools)";
  if (spawnSync("nft", ["--version"]).status !== 0) return "nft is missing (on Debian: apt install nftables)";
  return spawnSync("ip", ["-V"]).status === 0 ? null : "ip is missing (on Debian: apt install iproute2)";
}

/** @throws WirescriptError UNSUPPORTED_SYSTEM without the tools; Error when packets get lost. */
export async function measureRates(progress: (text: string) => Promise<void>): Promise<Rates> {
  const why = missing();
  if (why !== null) {
    throw new WirescriptError({
      code: "UNSUPPORTED_SYSTEM",
      what: "The balancer's rate was not measured: there is nothing to compare with.",
      why,
      fix: "Install what is missing, and run this again.",
    });
  }
  const spec = BalancerUnderTest.compile();
  using wire = new MeasuringWire(CONNECTIONS);
  route(wire);
  const contenders: Record<Contender, (work: () => number) => number> = {
    balancer: (work) => withBalancer(wire, spec, work),
    nftables: (work) => withNftables(wire, work),
    xdpBenchTx: (work) => withXdpBench(wire, work),
  };
  const names = Object.keys(contenders) as Contender[];
  const rates: Record<Contender, number[]> = { balancer: [], nftables: [], xdpBenchTx: [] };
  for (let round = 0; round < ROUNDS; round++) {
    await progress(`round ${round + 1} of ${ROUNDS}`);
    const order = round % 2 === 0 ? names : [...names].reverse();
    for (const name of order) rates[name].push(contenders[name](() => rateOf(wire, name)));
  }
  const against = (other: Contender): Ratio => {
    const ratios = rates.balancer.map((rate, round) => rate / (rates[other][round] ?? Number.NaN));
    return { median: quantile(ratios, 0.5), quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)] };
  };
  return {
    wire: "veth",
    connections: CONNECTIONS,
    frameBytes: wire.frameBytes,
    packetsPerSecond: {
      balancer: quantile(rates.balancer, 0.5),
      nftables: quantile(rates.nftables, 0.5),
      xdpBenchTx: quantile(rates.xdpBenchTx, 0.5),
    },
    ratio: { nftables: against("nftables"), xdpBenchTx: against("xdpBenchTx") },
  };
}

/** After a first go in which connections become known. */
function rateOf(wire: MeasuringWire, name: Contender): number {
  wire.send(CONNECTIONS * 2);
  const { sent, returned, seconds } = wire.send(PACKETS[name]);
  if (returned < sent * 0.999) throw new Error(`${name}: of ${sent} packets only ${returned} came back`);
  return sent / seconds;
}

/** Routes and neighbours, as both NATs need them on this wire with one device. */
function route(wire: MeasuringWire): void {
  inNamespace(wire.near, () => {
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    for (const device of ["all", NEAR]) {
      for (const setting of ["rp_filter", "send_redirects"]) writeFileSync(`/proc/sys/net/ipv4/conf/${device}/${setting}`, "0");
    }
    run("ip", "address", "add", `${SOURCE}/24`, "dev", NEAR);
    run("ip", "route", "add", `${CLIENT_ADDRESS}/32`, "dev", NEAR);
    run("ip", "neighbour", "add", `${CLIENT_ADDRESS}`, "lladdr", formatMac(Uint8Array.from(CLIENT.mac)), "dev", NEAR);
    for (const { address, mac } of BACKENDS) run("ip", "neighbour", "add", address, "lladdr", mac, "dev", NEAR);
  });
}

function withBalancer(wire: MeasuringWire, spec: ObjectSpec, work: () => number): number {
  using balancer = new BalancerUnderTest(
    spec,
    { source4: SOURCE },
    { ...BalancerUnderTest.ENTRIES, flows4: bucketsFor(65_536), origins4: 65_536 },
  );
  const ifindex = inNamespace(wire.near, () => getLink(NEAR).ifindex);
  balancer.configure([service(ifindex)]);
  const link = inNamespace(wire.near, () => balancer.program.attach({ dev: NEAR, mode: "native" }));
  try {
    return work();
  } finally {
    link.detach();
  }
}

function service(ifindex: number): ServiceFixture {
  const sourceMac = formatMac(Uint8Array.from(SERVICE.mac));
  const usual = { family: 4, ifindex, sourceMac, generation: 1, state: "UP", source: null } as const;
  return {
    number: 1,
    mode: "NAT",
    family: 4,
    address: `${VIP}`,
    prefix: 32,
    port: PORT,
    protocol: PROTOCOL.UDP,
    affinity: false,
    timeout: 60,
    backends: BACKENDS.map((backend) => ({ ...usual, ...backend })),
    ring: Array.from({ length: 251 }, (_, slot) => BACKENDS[slot % BACKENDS.length]?.number ?? 0),
  };
}

function withNftables(wire: MeasuringWire, work: () => number): number {
  const choices = BACKENDS.map(({ address, port }, index) => `${index} : ${address} . ${port}`).join(", ");
  const rules = `table ip bench {
    chain before { type nat hook prerouting priority dstnat;
      ip daddr ${VIP} udp dport ${PORT} dnat ip addr . port to jhash ip saddr . udp sport mod ${BACKENDS.length} map { ${choices} };
    }
    chain after { type nat hook postrouting priority srcnat; snat to ${SOURCE}; }
  }`;
  inNamespace(wire.near, () => run("nft", rules));
  try {
    return work();
  } finally {
    inNamespace(wire.near, () => run("nft", "delete table ip bench"));
  }
}

function withXdpBench(wire: MeasuringWire, work: () => number): number {
  const command = findXdpBench();
  if (command === null) throw new Error("xdp-bench is gone");
  using object = loadXdpBenchTx(command);
  const link = inNamespace(wire.near, () => object.program("xdp_basic_prog").attach({ dev: NEAR, mode: "native" }));
  try {
    return work();
  } finally {
    link.detach();
  }
}

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr}`);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}

export function ratesReport({ packetsPerSecond, ratio, connections, frameBytes }: Rates): string {
  const row = (name: string, rate: number, by: Ratio | null) => [
    name,
    (rate / 1e6).toFixed(2),
    by === null ? "" : by.median.toFixed(2),
    by === null ? "" : by.quartiles.map((each) => each.toFixed(2)).join(" to "),
  ];
  return [
    table(
      [`UDP over veth, frames of ${frameBytes} bytes`, "million packets/s", "the balancer's by it", "half of the rounds"],
      [
        row("the balancer's NAT", packetsPerSecond.balancer, null),
        row("the same NAT by nftables", packetsPerSecond.nftables, ratio.nftables),
        row("xdp-bench tx: sent back, nothing else", packetsPerSecond.xdpBenchTx, ratio.xdpBenchTx),
      ],
    ),
    "",
    `${connections} connections, ${ROUNDS} rounds in turns, medians. One CPU sends, balances, and counts: these are no figures of a network card.`,
  ].join("\n");
}
