/** Runs the random functions of `src/compiler/testing` in the real kernel. */
import { type Cpu, generate } from "../src/compiler/backend/generate.ts";
import type { Function } from "../src/compiler/ir/ir.ts";
import { hex, keyBytes, MAP_ENTRIES, MAP_VALUE, type Outcome, startOfMap } from "../src/compiler/testing/random-function.ts";
import { disassemble } from "../src/object/disassemble.ts";
import { encode } from "../src/object/encoding.ts";
import { MAP_TYPE } from "../src/object/spec.ts";
import { relocate } from "../src/runtime/relocate.ts";
import { Fd, type MapFd, mapCreate, mapLookup, mapUpdate, programLoad, programTestRun } from "../src/sys/bpf.ts";

const BPF_PROG_TYPE_XDP = 6;

/** Holds the map that the functions use; its content is set anew for every run. */
export class RandomInKernel implements Disposable {
  readonly #counters: MapFd = mapCreate({
    name: `random_${process.pid}`,
    type: MAP_TYPE.ARRAY,
    keySize: 4,
    valueSize: MAP_VALUE,
    maxEntries: MAP_ENTRIES,
    flags: 0,
  });

  /** What the kernel makes of `fn`, compiled for `cpu`; throws with the verifier's last words when it refuses. */
  run(fn: Function, packet: Uint8Array, cpu: Cpu): { outcome: Outcome; stackBytes: number } {
    const map = this.#counters;
    for (const [index, value] of startOfMap().entries()) mapUpdate(map, keyBytes(index), value, 0);
    const { instructions, stackBytes } = generate(fn, { cpu });
    const functions = [{ name: fn.name, instructions, typeId: 0, lines: [] }];
    const code = encode(relocate({ name: fn.name, section: "xdp", type: "xdp", functions }, new Map([["counters", map]])));
    const loaded = programLoad({
      name: "random",
      type: BPF_PROG_TYPE_XDP,
      expectedAttachType: 0,
      flags: 0,
      license: "GPL",
      instructions: code,
    });
    if (!(loaded instanceof Fd)) {
      throw new Error(`rejected (errno ${loaded.errno})\n${disassemble(instructions).join("\n")}\n${loaded.log.slice(-6000)}`);
    }
    using program = loaded;
    const result = programTestRun({ program, packet, repeat: 1 });
    const values = startOfMap().map((value, index) => {
      mapLookup(map, keyBytes(index), value);
      return hex(value);
    });
    return { outcome: { value: result.value, packet: hex(result.packet), counters: values.join(" ") }, stackBytes };
  }

  [Symbol.dispose](): void {
    this.#counters.close();
  }
}
