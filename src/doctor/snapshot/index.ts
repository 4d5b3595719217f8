export type { PinFacts } from "./pins.ts";
export { isRedirectMap, type MapFacts, type ProgramFacts } from "./program.ts";
export * from "./snapshot.ts";
export { lookAround, type SnapshotOptions, takeSnapshot } from "./take.ts";
export { describeMap, type Target, type TargetMac } from "./targets.ts";
