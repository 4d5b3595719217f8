/** The ways in which a module is compiled: as users do, for every instruction set, and with each pass switched off. */
import { PASSES } from "../src/compiler/passes/pipeline.ts";
import type { Way } from "./run-case.ts";

export const USUAL: Way = { name: "cpu 3", cpu: 3 };

export const OTHERS: readonly Way[] = [
  { name: "cpu 1", cpu: 1 },
  { name: "cpu 2", cpu: 2 },
  { name: "cpu 4", cpu: 4 },
  { name: "without any pass", disabledPasses: PASSES.map(({ name }) => name) },
  ...PASSES.map(({ name }): Way => ({ name: `without ${name}`, disabledPasses: [name] })),
];
