/** Functions in which many independent decisions come together: the verifier must not have to walk every combination of them. */
import { describe, expect, test } from "vitest";
import { Vm } from "../../src/vm/index.ts";
import { noKernel, start } from "../kernel.ts";

/** `count` flags that bits of the input set, each compared with bits of another number in the end. */
function flags(count: number): string {
  const each = (line: (index: number) => string) => Array.from({ length: count }, (_, index) => line(index)).join("\n");
  return `const InOut = struct({ set: u64, against: u64, out: u64 });
    export const p = xdp((ctx) => {
      const io = ctx.at(InOut, 16);
      if (!io) return XDP_DROP;
      const set = io.set;
      const against = io.against;
      ${each((index) => `let f${index}: u64 = 0; if ((set >> ${index}) & 1) f${index} = ${index % 2 === 0 ? index + 3 : `u64(0x1234567800000000n) + ${index}`};`)}
      let sum: u64 = 0;
      ${each((index) => `if (f${index} > ((against >> ${index}) & 7)) sum += ${index + 1};`)}
      io.out = sum;
      return sum > 20 ? XDP_DROP : XDP_PASS;
    });`;
}

function expected(count: number, set: bigint, against: bigint): bigint {
  let sum = 0n;
  for (let index = 0n; index < count; index++) {
    const flag = ((set >> index) & 1n) === 0n ? 0n : index % 2n === 0n ? index + 3n : 0x1234567800000000n + index;
    if (flag > ((against >> index) & 7n)) sum += index + 1n;
  }
  return sum;
}

describe.skipIf(noKernel)("many decisions", () => {
  test.each([4, 12, 20, 48])("%i flags that are set on the way and tested at the end", (count) => {
    using running = start(flags(count));
    const vm = new Vm(running.object.spec);
    const packet = new Uint8Array(64);
    const view = new DataView(packet.buffer);
    for (const set of [0n, (1n << 48n) - 1n, 0xaaaaaaaaaaaan, 0x5a5a1234cdefn]) {
      for (const against of [0n, 0x123456789abcdefn, (1n << 64n) - 1n]) {
        view.setBigUint64(16, set, true);
        view.setBigUint64(24, against, true);
        const out = expected(count, set, against);
        const action = out > 20n ? 1 : 2;
        const result = running.run(packet);
        expect(result.action).toBe(action);
        expect(new DataView(result.packet.buffer, result.packet.byteOffset).getBigUint64(32, true)).toBe(out);
        expect(vm.run("p", packet).action).toBe(action);
      }
    }
  });
});
