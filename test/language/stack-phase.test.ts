/** Keys and values on the stack that begin behind an aligned place, so that their addresses are aligned, reach the kernel whole. */
import { expect, test } from "vitest";
import { frame, noKernel, start, withoutKernel, word } from "../kernel.ts";

test.skipIf(noKernel)(`a key and a value with addresses are written and found again${withoutKernel}`, () => {
  using running = start(
    `const Address = bytes(16);
     const Key = struct({ zone: u32, address: Address });
     const Value = struct({ kind: be16, address: Address });
     const known = hash({ key: Key, value: Value, entries: 8 });
     const Question = struct({ address: Address, zone: u32, unused: u32, kind: u64, answer: Address });
     export const p = xdp((ctx) => {
       const io = ctx.at(Question, 16);
       if (!io) return XDP_DROP;
       known.update({ zone: io.zone, address: io.address }, { kind: 0x1234, address: io.address });
       const found = known.lookup({ zone: io.zone, address: io.address });
       if (!found || known.lookup({ zone: u32(io.zone + 1), address: io.address })) return XDP_DROP;
       io.kind = found.kind;
       io.answer = found.address;
       return XDP_PASS;
     });`,
  );
  const [first, second] = [0x0123456789abcdefn, 0xfedcba9876543210n];
  const { packet } = running.run(frame([first, second, 7n, 0n, 0n, 0n], 96));
  expect([word(packet, 3), word(packet, 4), word(packet, 5)]).toEqual([0x1234n, first, second]);
});
