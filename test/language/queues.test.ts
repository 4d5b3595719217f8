/** Queues, stacks and Bloom filters: what programs do with them on the kernel and in the interpreter, and what user space sees. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { BloomFilterMap, loadSpec, QueueMap, StackMap } from "../../src/index.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { Vm } from "../../src/vm/index.ts";
import { frame, noKernel, PRELUDE, withoutKernel, word } from "../kernel.ts";

function build(text: string) {
  const file = resolve("test/example.bpf.ts");
  const source = `${PRELUDE}import { bloomFilter, queue, stack } from "wirescript/kernel";\n${text}`;
  return readElf(writeElf(compile(file, { overlay: new Map([[file, source]]) }).spec));
}

/** Commands in the packet: 0 peek, 1 pop, n > 1 push n, n > 1000 push n by force. The answer goes where the command was. */
const WAITING = (kind: string) => `
  const Job = struct({ id: u64, port: be16, tail: bytes(3) });
  export const jobs = ${kind}({ value: Job, entries: 3 });
  export const p = xdp((ctx) => {
    const command = ctx.at(u64, 16);
    const port = ctx.at(u64, 24);
    if (!command || !port) return XDP_DROP;
    if (command.value > 1) {
      const job = { id: command.value, port: u16(port.value), tail: bytes(3)(7, 8, 9) };
      const done = command.value > 1000 ? jobs.push(job, "overwrite") : jobs.push(job);
      return done ? XDP_PASS : XDP_ABORTED;
    }
    const next = command.value === 1 ? jobs.pop() : jobs.peek();
    if (!next) return XDP_DROP;
    command.value = next.id;
    port.value = next.port + next.tail[2];
    return XDP_TX;
  });`;

describe.skipIf(noKernel).each([
  ["queue", ["TX 5", "TX 5", "PASS", "PASS", "ABORTED", "PASS", "TX 7", "TX 8", "TX 1001", "DROP"]],
  ["stack", ["TX 6", "TX 6", "PASS", "PASS", "ABORTED", "PASS", "TX 1001", "TX 8", "TX 7", "DROP"]],
])(`a %s${withoutKernel}`, (kind, expected) => {
  const spec = build(WAITING(kind));
  const names = ["ABORTED", "DROP", "PASS", "TX"];
  // With 5 and 6 in it: peek, pop, two pushes that fill it, one that fails, one by force, then all is taken out.
  const commands = [0n, 1n, 7n, 8n, 9n, 1001n, 1n, 1n, 1n, 1n];
  const shown = ({ action, packet }: { action: number; packet: Uint8Array }): string =>
    action === 3 ? `TX ${word(packet, 0)}` : (names[action] ?? "?");

  test("is used by programs in the kernel and in the interpreter alike", () => {
    using object = loadSpec(spec);
    const vm = new Vm(spec);
    const both = (command: bigint): string => {
      const packet = frame([command, 0x1234n]);
      const inKernel = object.program("p").run(packet);
      const inVm = vm.run("p", packet);
      expect({ action: inVm.action, packet: inVm.packet }).toEqual({ action: inKernel.action, packet: inKernel.packet });
      if (inKernel.action === 3) expect(word(inKernel.packet, 1)).toBe(0x1234n + 9n);
      return shown(inKernel);
    };
    for (const id of [5n, 6n]) expect(both(id)).toBe("PASS");
    expect(commands.map(both)).toEqual(expected);
  });

  test("is typed in user space", () => {
    using object = loadSpec(spec);
    const jobs = object.map("jobs");
    if (!(jobs instanceof QueueMap || jobs instanceof StackMap)) throw new Error(`a ${jobs.kind}`);
    expect(jobs.kind).toBe(kind);
    const job = (id: bigint) => ({ id, port: 80, tail: new Uint8Array([1, 2, 3]) });
    for (const id of [1n, 2n, 3n]) jobs.push(job(id));
    expect(() => jobs.push(job(4n))).toThrow(/is full/);
    jobs.push(job(4n), { overwrite: true });
    expect(jobs.peek()).toEqual(job(kind === "queue" ? 2n : 4n));
    expect([jobs.pop(), jobs.pop(), jobs.pop()]).toEqual((kind === "queue" ? [2n, 3n, 4n] : [4n, 3n, 2n]).map(job));
    expect([jobs.pop(), jobs.peek()]).toEqual([undefined, undefined]);
    // What the program puts in, user space takes out.
    object.program("p").run(frame([77n, 443n]));
    expect(jobs.pop()).toEqual({ id: 77n, port: 443, tail: new Uint8Array([7, 8, 9]) });
  });
});

describe.skipIf(noKernel)(`values${withoutKernel}`, () => {
  test("of a scalar queue are reached through `value`, and come from the packet as they lie there", () => {
    const spec = build(`
      const mac = bytes(6);
      export const numbers = queue({ value: u32, entries: 8 });
      export const addresses = stack({ value: mac, entries: 8 });
      export const p = xdp((ctx) => {
        const eth = ctx.at(Ethernet);
        const out = ctx.at(u64, 16);
        if (!eth || !out) return XDP_DROP;
        addresses.push(eth.src);
        numbers.push(0);
        numbers.push(41);
        let sum = 0;
        for (let round = 0; round < 300; round++) {
          const number = numbers.pop();
          if (!number) break;
          number.value++;
          sum += number.value;
        }
        const address = addresses.pop();
        if (address) eth.dst = address;
        out.value = sum;
        return XDP_PASS;
      });`);
    const packet = frame([0n], 64);
    packet.set([1, 2, 3, 4, 5, 6], 6);
    using object = loadSpec(spec);
    for (const result of [object.program("p").run(packet), new Vm(spec).run("p", packet)]) {
      expect(word(result.packet, 0)).toBe(43n);
      expect([...result.packet.subarray(0, 6)]).toEqual([1, 2, 3, 4, 5, 6]);
    }
  });
});

describe.skipIf(noKernel)(`a bloomFilter${withoutKernel}`, () => {
  const spec = build(`
    const Flow = struct({ source: be32, port: be16 });
    export const known = bloomFilter({ value: Flow, entries: 1000, hashes: 7 });
    export const plain = bloomFilter({ value: u64, entries: 10 });
    export const p = xdp((ctx) => {
      const flow = ctx.at(Flow, 16);
      if (!flow) return XDP_DROP;
      if (known.has(flow)) return XDP_TX;
      if (plain.has(flow.source)) return XDP_ABORTED;
      return known.push(flow) ? XDP_PASS : XDP_DROP;
    });`);

  test("has what was put in, for programs and user space", () => {
    using object = loadSpec(spec);
    const vm = new Vm(spec);
    const known = object.map("known", BloomFilterMap);
    expect(known.info().extra).toBe(7);
    expect(object.map("plain").info().extra).toBe(5);
    const flow = frame([0x5000_0100_000an], 40);
    for (const expected of [2, 3]) {
      expect(object.program("p").run(flow).action).toBe(expected);
      expect(vm.run("p", flow).action).toBe(expected);
    }
    // 0a 00 00 01 | 00 50 as it lay in the packet.
    expect(known.has({ source: 0x0a000001, port: 0x50 })).toBe(true);
    expect(known.has({ source: 0x0a000001, port: 0x51 })).toBe(false);
    known.push({ source: 1, port: 2 });
    expect(known.has({ source: 1, port: 2 })).toBe(true);
    object.map("plain", BloomFilterMap).push(3n);
    const other = frame([0x0300_0000n], 40);
    expect(object.program("p").run(other).action).toBe(0);
  });
});
