/**
 * How fast maps are read: a hash of a million entries beside `bpftool map dump` on the same map, and a ring buffer's events into a callback.
 * Every figure is the best of several rounds, with the processor's time beside the clock's, since other work on the machine stretches
 * only the latter.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { HashMap, type LoadedObject, load, RingBufferMap } from "../src/index.ts";
import { describeHost, type Host } from "./machine.ts";
import { table } from "./table.ts";

const ENTRIES = 1_000_000;
const ROUNDS = 5;
const EVENTS = 500_000;
const LIVE_MS = 3000;

interface Flow {
  source: number;
  destination: number;
  sourcePort: number;
  destinationPort: number;
}

interface Counts {
  packets: bigint;
  bytes: bigint;
}

interface Event {
  id: number;
  kind: number;
}

/** Seconds of the clock and of the processor, of the round with the least of each. */
export interface Span {
  wall: number;
  cpu: number;
}

export interface MapResults {
  machine: Host;
  entries: number;
  dumps: { what: string; best: Span }[];
  ring: {
    /** Events that were in the buffer, into a callback and by iterating. */
    events: number;
    callback: Span;
    iteration: Span;
    /** Written by another process while they are read. */
    live: { seconds: number; received: number; refused: number };
  };
}

export async function measureMaps(progress: (text: string) => Promise<void>): Promise<MapResults> {
  using object = await load(fileURLToPath(new URL("maps.bpf.ts", import.meta.url)));
  await progress(`filling a hash with ${ENTRIES} entries`);
  const flows = object.map<HashMap<Flow, Counts>>("flows", HashMap);
  flows.setMany(someFlows());
  const dumps = await measureDumps(flows, progress);
  await progress("ring buffer: events into a callback");
  const ring = await measureRing(object);
  await progress("ring buffer: events of another process");
  return { machine: describeHost(), entries: ENTRIES, dumps, ring: { ...ring, live: await measureLive(object) } };
}

function* someFlows(): Generator<[Flow, Counts]> {
  for (let index = 0; index < ENTRIES; index++) {
    const source = 0x0a00_0000 + index;
    yield [
      { source, destination: 0xc0a8_0001, sourcePort: index & 0xffff, destinationPort: 443 },
      { packets: BigInt(index), bytes: 64n },
    ];
  }
}

async function measureDumps(
  flows: HashMap<Flow, Counts>,
  progress: (text: string) => Promise<void>,
): Promise<MapResults["dumps"]> {
  const id = String(flows.info().id);
  const counted = (walk: () => number) => () => {
    const seen = walk();
    if (seen !== ENTRIES) throw new Error(`${seen} entries instead of ${ENTRIES}`);
  };
  const ours: [string, () => void][] = [
    [
      "wirescript: for (const [key, value] of map)",
      counted(() => {
        let seen = 0;
        let packets = 0n;
        for (const [, value] of flows) {
          packets += value.packets;
          seen++;
        }
        return packets === (BigInt(ENTRIES) * BigInt(ENTRIES - 1)) / 2n ? seen : -1;
      }),
    ],
    [
      "wirescript: map.forEach",
      counted(() => {
        let seen = 0;
        flows.forEach(() => {
          seen++;
        });
        return seen;
      }),
    ],
    ["wirescript: map.count (nothing decoded)", counted(() => flows.count())],
  ];
  const dumps: MapResults["dumps"] = [];
  for (const [what, walk] of ours) {
    await progress(what);
    dumps.push({ what, best: best(() => timed(walk)) });
  }
  for (const [what, options] of [
    ["bpftool map dump", []],
    ["bpftool -j map dump", ["-j"]],
  ] as const) {
    if (spawnSync("bpftool", ["version"]).status !== 0) continue;
    await progress(what);
    dumps.push({ what, best: best(() => timedCommand(["bpftool", ...options, "map", "dump", "id", id])) });
  }
  return dumps;
}

async function measureRing(object: LoadedObject): Promise<Omit<MapResults["ring"], "live">> {
  const events = object.map<RingBufferMap<Event>>("events", RingBufferMap);
  const program = object.program("send");
  const fill = () => program.run(new Uint8Array(64), { repeat: EVENTS });
  const callback: Span[] = [];
  const iteration: Span[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    fill();
    using reader = events.reader();
    callback.push(
      timed(() => {
        let kinds = 0;
        reader.drain((event) => {
          kinds += event.kind;
        });
        if (kinds !== EVENTS) throw new Error(`${kinds} events instead of ${EVENTS}`);
      }),
    );
    reader.close();
    fill();
    let seen = 0;
    const clock = startClock();
    for await (const { kind } of events) {
      seen += kind;
      if (seen === EVENTS) break;
    }
    iteration.push(clock());
  }
  return { events: EVENTS, callback: least(callback), iteration: least(iteration) };
}

/** Reads what another process writes as fast as it can. */
async function measureLive(object: LoadedObject): Promise<MapResults["ring"]["live"]> {
  const events = object.map<RingBufferMap<Event>>("events", RingBufferMap);
  const written = object.map("written");
  const writer = fileURLToPath(new URL("run.js", import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [writer, "--write-events", String(object.program("send").info().id)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    await Promise.race([
      once(child.stdout ?? child, "data"),
      once(child, "exit").then(() => Promise.reject(new Error("the writer ended"))),
    ]);
    using reader = events.reader();
    const refusedBefore = refusedOf(written);
    let received = 0;
    let began = 0;
    const done = new Promise<void>((resolve) => {
      reader.listen(() => {
        if (received++ === 0) began = performance.now();
        if ((received & 0xfff) === 0 && performance.now() - began > LIVE_MS) {
          reader.close();
          resolve();
        }
      });
    });
    child.stdin?.write("go\n");
    await done;
    return { seconds: (performance.now() - began) / 1000, received, refused: refusedOf(written) - refusedBefore };
  } finally {
    child.kill();
  }
}

function refusedOf(written: unknown): number {
  return Number((written as { get(key: number): bigint }).get(1)); // "written", an array of u64
}

function best(round: () => Span): Span {
  return least(Array.from({ length: ROUNDS }, round));
}

function least(spans: readonly Span[]): Span {
  return { wall: Math.min(...spans.map(({ wall }) => wall)), cpu: Math.min(...spans.map(({ cpu }) => cpu)) };
}

function timed(work: () => void): Span {
  const clock = startClock();
  work();
  return clock();
}

function startClock(): () => Span {
  const began = performance.now();
  const used = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(used);
    return { wall: (performance.now() - began) / 1000, cpu: (user + system) / 1e6 };
  };
}

/** Runs a command with its output thrown away; its processor time is what the shell says of its children. */
function timedCommand(command: readonly string[]): Span {
  const began = performance.now();
  const output = execFileSync("sh", ["-c", '"$@" > /dev/null; times', "sh", ...command], { encoding: "utf8" });
  const wall = (performance.now() - began) / 1000;
  // Two lines of "user system", each as 1m2.345s: the shell, its children.
  const children = output.trim().split("\n").at(-1)?.split(" ") ?? [];
  const seconds = children.map((part) => {
    const [minutes = 0, rest = 0] = part.replace("s", "").split("m").map(Number);
    return minutes * 60 + rest;
  });
  return { wall, cpu: seconds.reduce((sum, each) => sum + each, 0) };
}

export function mapReport({ machine, entries, dumps, ring }: MapResults): string {
  const perSecond = (count: number, seconds: number) => (count / seconds / 1e6).toFixed(2);
  const theirs = dumps.find(({ what }) => what === "bpftool map dump");
  const dumpRows = dumps.map(({ what, best: { wall, cpu } }) => [
    what,
    wall.toFixed(2),
    cpu.toFixed(2),
    perSecond(entries, wall),
    perSecond(entries, cpu),
    theirs === undefined ? "-" : (theirs.best.wall / wall).toFixed(1),
  ]);
  const { callback, iteration, live, events } = ring;
  const ringRows = [
    ["drain(callback)", perSecond(events, callback.wall), perSecond(events, callback.cpu)],
    ["for await", perSecond(events, iteration.wall), perSecond(events, iteration.cpu)],
    ["listen(callback), written meanwhile by another process", perSecond(live.received, live.seconds), "-"],
  ];
  return [
    `${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}, Node.js ${machine.node}, load ${machine.load.toFixed(1)}, ${machine.date}`,
    `A hash of ${entries} entries (keys of 12 bytes, values of 16), best of ${ROUNDS}; M is a million:`,
    table(["", "s", "CPU s", "M/s", "M/CPU s", "x bpftool"], dumpRows),
    `A ring buffer's events of 8 bytes, ${events} at a time, best of ${ROUNDS}:`,
    table(["", "M/s", "M/CPU s"], ringRows),
    `While it listened, the program was refused ${live.refused} times, because the ring (16 MiB) was full: it waits for nobody.`,
  ].join("\n\n");
}
