/** What is counted of a loaded program, as opposed to timed: the same on every run. */
import { countSlots } from "../src/object/encoding.ts";
import type { ObjectSpec } from "../src/object/spec.ts";
import { withSettings } from "../src/runtime/data-section.ts";
import type { LoadedProgram } from "../src/runtime/program.ts";
import { Vm } from "../src/vm/index.ts";
import type { Conditions } from "./conditions.ts";

export interface Figures {
  /** Slots of 8 bytes in the object, as the kernel counts them: a 64-bit constant takes two. */
  instructions: number;
  /** Bytes of machine code. */
  jitedBytes: number;
  /** Instructions that the verifier walked over, each as often as it did. */
  processed: number;
  /** Instructions executed per packet, helpers apart: the mean over the program's workloads. */
  executed: number;
}

export const METRICS = ["instructions", "jitedBytes", "processed", "executed"] as const satisfies (keyof Figures)[];

/** `paths`: instructions executed for each packet. */
export function figuresOf(program: LoadedProgram, spec: ObjectSpec, paths: readonly number[]): Figures {
  const functions = spec.programs.find(({ name }) => name === program.name)?.functions ?? [];
  const { jitedBytes, verifiedInstructions } = program.info();
  return {
    instructions: functions.reduce((sum, fn) => sum + countSlots(fn.instructions), 0),
    jitedBytes,
    processed: verifiedInstructions,
    executed: paths.reduce((sum, each) => sum + each, 0) / paths.length,
  };
}

/**
 * Instructions executed for each packet, counted by the interpreter. Each packet is run twice, and the second run counts: what is new
 * to the program's maps only once is not what it does all day.
 */
export function executedFor(spec: ObjectSpec, name: string, conditions: Conditions, packets: readonly Uint8Array[]): number[] {
  const { settings = {}, fibLookup } = conditions;
  const vm = new Vm({ ...spec, data: withSettings(spec.data, spec.btf, settings) }, { fibLookup });
  for (const [map, entries] of Object.entries(conditions.tables ?? {})) {
    for (const [key, value] of entries) {
      const result = vm.maps.get(map)?.set(Uint8Array.from(key), Uint8Array.from(value));
      if (result !== 0n) throw new Error(`the interpreter's map ${map} does not take an entry (${result})`);
    }
  }
  return packets.map((packet) => {
    vm.run(name, packet);
    return vm.run(name, packet).executed;
  });
}

/** The least of each. */
export function leastOf(figures: readonly Figures[]): Figures {
  const least = (metric: keyof Figures) => Math.min(...figures.map((each) => each[metric]));
  return {
    instructions: least("instructions"),
    jitedBytes: least("jitedBytes"),
    processed: least("processed"),
    executed: least("executed"),
  };
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
